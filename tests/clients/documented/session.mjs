const TOKENS = '{ accessToken accessTokenExpiresAt refreshToken }'
const SIGN_IN = `mutation ($input: SignInInput!) { session: signIn(input: $input) ${TOKENS} }`
const REFRESH = `mutation ($token: String!) { session: refreshSession(refreshToken: $token) ${TOKENS} }`
const MARGIN_MS = 30_000

export function createSession(url) {
  let tokens = null
  let renewal = null

  async function obtain(query, variables) {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = await response.json()
    if (errors) throw new Error(errors[0].message, { cause: errors[0].extensions })
    tokens = data.session
  }

  return {
    signIn: (email, password) => obtain(SIGN_IN, { input: { email, password } }),

    /** The Authorization header of a request that is about to be made. */
    async authorization() {
      if (tokens && Date.parse(tokens.accessTokenExpiresAt) - Date.now() < MARGIN_MS) {
        // A refresh token is good once: all who wait share one renewal.
        renewal ??= obtain(REFRESH, { token: tokens.refreshToken }).finally(() => (renewal = null))
        await renewal
      }
      return tokens ? `Bearer ${tokens.accessToken}` : ''
    },
  }
}

/** Whether this, with which an operation or a connection ended, says that one must sign in again. */
export function needsSignIn(reason) {
  if (!reason) return false
  const errors = Array.isArray(reason) ? reason : (reason.errors ?? reason.graphQLErrors ?? [])
  return (
    errors.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED') ||
    reason.cause?.code === 'UNAUTHENTICATED' || // a renewal that was refused
    reason.code === 4403 || // a websocket's CloseEvent, which Apollo Client tells in words
    /^Socket closed with event 4403/.test(reason.message) ||
    [reason.statusCode, reason.response?.status].includes(401) || // a response of HTTP
    needsSignIn(reason.networkError) // what urql wraps
  )
}
