/** How GraphiQL's operations travel: subscriptions over a websocket, everything else by HTTP POST. */
import { getOperationAST, parse } from 'graphql'

import { watchOperation } from './live.js'
import { isUnauthenticated, post } from './requests.js'
import { authorization, renew } from './session.js'

/**
 * GraphiQL's fetcher: a promise of one result, or for a subscription something to subscribe to.
 *
 * What is typed into the headers editor comes last and so wins over the session's own header.
 */
export function fetchResult({ query, variables, operationName }, { headers = {} } = {}) {
  const typed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const operation = findOperation(query, operationName)
  const request = { query, variables, operationName: operation ? operation.name?.value : operationName }
  if (operation?.operation !== 'subscription') return postAsCaller(request, typed)
  return { subscribe: (observer) => ({ unsubscribe: watchOperation(request, typed, observer) }) }
}

/** An access token that has ended early (signed out elsewhere, a server restarted with another key) is renewed once. */
async function postAsCaller(request, typed) {
  const sent = await authorization()
  const { result } = await post(request, { ...sent, ...typed })
  const mayHelp = isUnauthenticated(result) && sent.authorization && !typed.authorization
  if (!mayHelp || !(await renew())) return result
  return (await post(request, { ...(await authorization()), ...typed })).result
}

/**
 * The operation that is meant. Right after a change of tabs GraphiQL still gives the name of the tab before: a document's only operation
 * is meant then. Undefined for a syntax error or an unknown name, of which the server's own message says most.
 */
function findOperation(query, operationName) {
  try {
    const document = parse(query)
    return getOperationAST(document, operationName) ?? getOperationAST(document) ?? undefined
  } catch {
    return undefined
  }
}
