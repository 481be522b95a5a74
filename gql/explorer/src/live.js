/** Subscriptions over one graphql-transport-ws socket each, which follows the session and outlives a server that restarts. */
import { createClient } from 'graphql-ws'

import { isUnauthenticated, SOCKET_URL } from './requests.js'
import { authorization, currentSession, renew, watchSession } from './session.js'

const KEEP_ALIVE_MS = 12_000
const LONGEST_WAIT_MS = 5_000
/** The close codes by which a server refuses who is asking: they end a subscription, unless a new access token helps. */
const REFUSALS = new Set([4401, 4403])

const watchers = new Set()
let status = { state: 'idle' }

/** What the newest subscription is doing: {state: 'idle' | 'connecting' | 'live' | 'reconnecting', results, at}. */
export function liveStatus() {
  return status
}

/** Calls the watcher after every change of liveStatus(); returns the function that ends that. */
export function watchLiveStatus(watcher) {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

/**
 * Runs a subscription and hands its results to the observer until either side ends it.
 *
 * When the session changes (sign-in, sign-out, a renewed token) the socket is opened anew with it and the operation is sent again.
 *
 * @param {object} request the body of a GraphQL request
 * @param {object} headers what is typed into the headers editor: it joins the payload of connection_init
 * @param {{next: Function, error: Function, complete: Function}} observer
 * @returns {Function} ends the subscription
 */
export function watchOperation(request, headers, observer) {
  let ended = false
  let renewed = false
  let unsubscribe = () => {}
  const client = createClient({
    url: SOCKET_URL,
    connectionParams: async () => ({ ...(await authorization()), ...headers }),
    keepAlive: KEEP_ALIVE_MS,
    connectionAckWaitTimeout: 10_000,
    retryAttempts: Infinity,
    retryWait: backOff,
    shouldRetry: (event) => !REFUSALS.has(event?.code),
    on: {
      connecting: (again) => !ended && report({ state: again ? 'reconnecting' : 'connecting' }),
      closed: () => !ended && report({ state: 'reconnecting' }),
    },
  })
  const unwatch = watchSession(() => client.terminate())

  const end = () => {
    if (ended) return
    ended = true
    unwatch()
    unsubscribe()
    report({ state: 'idle', results: 0 })
  }

  const failed = async (reason) => {
    if (!ended && !renewed && currentSession() && isRefusal(reason)) {
      renewed = true
      if (await renew()) return ended || start()
    }
    if (ended) return
    end()
    observer.next(errorResult(reason))
    observer.complete()
  }

  const start = () => {
    unsubscribe = client.subscribe(request, {
      next: (result) => {
        renewed = false
        report({ state: 'live', results: (status.results ?? 0) + 1, at: new Date() })
        observer.next(result)
      },
      error: failed,
      complete: () => {
        if (ended) return
        end()
        observer.complete()
      },
    })
  }

  report({ state: 'connecting', results: 0 })
  start()
  return end
}

/** Exponential and jittered, so that the pages of a restarted server do not all come back at once. */
function backOff(retries) {
  const wait = Math.min(100 * 2 ** retries, LONGEST_WAIT_MS) * (0.5 + Math.random())
  return new Promise((resolve) => setTimeout(resolve, wait))
}

function report(change) {
  status = { ...status, ...change }
  for (const watcher of [...watchers]) watcher()
}

function isRefusal(reason) {
  return Array.isArray(reason) ? isUnauthenticated({ errors: reason }) : REFUSALS.has(reason?.code)
}

/** graphql-ws reports the errors of an operation as a list, a closed socket as a CloseEvent, and else an Event or Error. */
function errorResult(reason) {
  if (Array.isArray(reason)) return { errors: reason }
  const message = reason?.code
    ? `The server closed the connection: ${reason.code} ${reason.reason || 'without a reason'}.`
    : `The connection failed${reason instanceof Error ? `: ${reason.message}` : '.'}`
  return { errors: [{ message, extensions: { code: REFUSALS.has(reason?.code) ? 'UNAUTHENTICATED' : 'UNAVAILABLE' } }] }
}
