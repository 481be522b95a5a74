import { createClient } from 'graphql-ws'

import { needsSignIn } from './session.mjs'

export function createSocket(url, session, { keepAlive = 20_000, patience = 5_000 } = {}) {
  let overdue
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    connectionParams: async () => ({ authorization: await session.authorization() }),

    // Come back whatever happened, except where the session has ended. (By default a refused connection is final.)
    retryAttempts: Infinity,
    shouldRetry: (reason) => !needsSignIn(reason),
    retryWait: (retries) => new Promise((resolve) => setTimeout(resolve, Math.min(200 * 2 ** retries, 8_000) * (0.5 + Math.random()))),

    // A cable that was pulled tells nobody: a ping without an answer does.
    keepAlive,
    on: {
      ping: (received) => {
        if (!received) overdue = setTimeout(() => client.terminate(), patience)
      },
      pong: (received) => {
        if (received) clearTimeout(overdue)
      },
      closed: () => clearTimeout(overdue),
    },
  })
  return client
}

export function watchProducts(socket, { show, ended }) {
  return socket.subscribe(
    { query: 'subscription { live { products(first: 5) { nodes { id name stock } } } }' },
    {
      next: ({ data, errors, extensions }) => show({ data: data?.live, errors, version: extensions.live.version }),
      error: (reason) => ended(reason), // GraphQL errors (an array), a CloseEvent, or an Error
      complete: () => ended(),
    },
  )
}
