/** Where the API is: beside this page, whatever path prefix a proxy has put before both. */
export const HTTP_URL = new URL('graphql', document.baseURI).href
export const SOCKET_URL = HTTP_URL.replace(/^http/, 'ws')

/**
 * Sends one GraphQL request as GraphQL-over-HTTP says.
 *
 * Always gives a GraphQL result: a server that is away or answers something else becomes an error of code UNAVAILABLE in it,
 * so that callers have one shape of failure to show.
 *
 * @returns {Promise<{result: object, serverTime: number}>} serverTime in milliseconds, by the server's own clock
 */
export async function post(body, headers) {
  let response
  try {
    response = await fetch(HTTP_URL, {
      method: 'POST',
      headers: { Accept: 'application/graphql-response+json, application/json', 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  } catch {
    return { result: unavailable('The server did not answer. Is it running?'), serverTime: Date.now() }
  }
  const serverTime = Date.parse(response.headers.get('Date')) || Date.now()
  try {
    return { result: await response.json(), serverTime }
  } catch {
    return { result: unavailable(`The server answered ${response.status} ${response.statusText}, which is not GraphQL.`), serverTime }
  }
}

/** Whether a result was refused because the server does not know who is asking. */
export function isUnauthenticated(result) {
  return Array.isArray(result?.errors) && result.errors.some((error) => error?.extensions?.code === 'UNAUTHENTICATED')
}

function unavailable(message) {
  return { errors: [{ message, extensions: { code: 'UNAVAILABLE' } }] }
}
