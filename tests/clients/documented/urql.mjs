import { Client, fetchExchange, subscriptionExchange } from '@urql/core'
import { cacheExchange } from '@urql/exchange-graphcache'
import { fromPromise, fromValue, map, mergeMap, pipe, tap } from 'wonka'

import { createSocket } from './graphql-ws.mjs'
import { createVersions } from './versions.mjs'

export function createUrql(url, session, cache) {
  const socket = createSocket(url, session)
  const live = subscriptionExchange({
    forwardSubscription: (request) => ({ subscribe: (sink) => ({ unsubscribe: socket.subscribe(request, sink) }) }),
  })
  return new Client({
    url: `${url}/graphql`,
    fetch: authorized(session),
    exchanges: [cacheExchange(cache), keepOptimism, fetchExchange, live],
  })
}

/** The same without a websocket: what is live comes as server-sent events. It does not come back by itself. */
export function createUrqlOverHttp(url, session, cache) {
  return new Client({
    url: `${url}/graphql`,
    fetch: authorized(session),
    fetchSubscriptions: true,
    exchanges: [cacheExchange(cache), keepOptimism, fetchExchange],
  })
}

function authorized(session) {
  return async (target, options) => fetch(target, { ...options, headers: { ...options.headers, authorization: await session.authorization() } })
}

/** Holds a mutation's result, and its optimistic update with it, until a live result contains it: nothing flickers back. */
function keepOptimism({ forward }) {
  const versions = createVersions()
  const held = (result) => pipe(fromPromise(versions.reached(result.extensions?.version)), map(() => result))
  return (operations) =>
    pipe(
      forward(operations),
      tap(({ extensions }) => versions.seen(extensions?.live?.version)),
      mergeMap((result) => (result.operation.kind === 'mutation' ? held(result) : fromValue(result))),
    )
}
