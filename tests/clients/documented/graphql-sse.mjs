import { createClient } from 'graphql-sse'

import { needsSignIn } from './session.mjs'

export function createStream(url, session) {
  let refusal
  return createClient({
    url: `${url}/graphql`,
    headers: async () => ({ authorization: await session.authorization() }),
    async fetchFn(target, options) {
      const response = await fetch(target, options)
      refusal = needsSignIn({ response }) ? new Error('Sign in again.', { cause: { code: 'UNAUTHENTICATED' } }) : null
      return response
    },
    retryAttempts: Infinity,
    async retry(retries) {
      if (refusal) throw refusal
      await new Promise((resolve) => setTimeout(resolve, Math.min(200 * 2 ** retries, 8_000) * (0.5 + Math.random())))
    },
  })
}

export function watchProducts(stream, { show, ended }) {
  return stream.subscribe(
    { query: 'subscription { live { products(first: 5) { nodes { id name stock } } } }' },
    {
      // Over this transport errors that end the operation come as its last result.
      next: ({ data, errors, extensions }) => (data ? show({ data: data.live, errors, version: extensions.live.version }) : ended(errors)),
      error: (reason) => ended(reason),
      complete: () => ended(),
    },
  )
}
