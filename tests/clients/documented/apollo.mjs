import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { SetContextLink } from '@apollo/client/link/context'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { delayWhen, tap } from 'rxjs'

import { createSocket } from './graphql-ws.mjs'
import { createVersions } from './versions.mjs'

export function createApollo(url, session) {
  const http = authorized(session).concat(new HttpLink({ uri: `${url}/graphql` }))
  const live = new GraphQLWsLink(createSocket(url, session))
  return new ApolloClient({
    link: keepOptimism().concat(ApolloLink.split(({ operationType }) => operationType === 'subscription', live, http)),
    cache: new InMemoryCache(),
  })
}

export function authorized(session) {
  return new SetContextLink(async ({ headers }) => ({ headers: { ...headers, authorization: await session.authorization() } }))
}

/** Holds a mutation's result, and its optimisticResponse with it, until a live result contains it: nothing flickers back. */
export function keepOptimism() {
  const versions = createVersions()
  return new ApolloLink((operation, forward) => {
    const results = forward(operation)
    if (operation.operationType === 'subscription') return results.pipe(tap(({ extensions }) => versions.seen(extensions?.live?.version)))
    if (operation.operationType === 'mutation') return results.pipe(delayWhen(({ extensions }) => versions.reached(extensions?.version)))
    return results
  })
}
