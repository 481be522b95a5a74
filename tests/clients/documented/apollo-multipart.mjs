import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { RetryLink } from '@apollo/client/link/retry'

import { authorized, keepOptimism } from './apollo.mjs'
import { needsSignIn } from './session.mjs'

export function createApolloOverHttp(url, session) {
  // HttpLink does not come back by itself, and RetryLink would ask for ever on behalf of somebody who was signed out.
  const comeBack = new RetryLink({
    delay: { initial: 200, max: 8_000, jitter: true },
    attempts: (_count, { operationType }, error) => operationType === 'subscription' && !needsSignIn(error),
  })
  return new ApolloClient({
    link: ApolloLink.from([keepOptimism(), comeBack, authorized(session), new HttpLink({ uri: `${url}/graphql` })]),
    cache: new InMemoryCache(),
  })
}
