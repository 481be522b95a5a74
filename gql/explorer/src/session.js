/**
 * Who is signed in, in this browser tab.
 *
 * Kept in sessionStorage: a reload keeps it, another tab is another person until it signs in too. The one exception is a tab opened from
 * this one or duplicated, which starts with a copy; such twins share a refresh token, and tell each other when one of them has used it.
 */
import { isUnauthenticated, post } from './requests.js'

const STORAGE_KEY = 'tillstream.session'
const LONGEST_TIMER_MS = 2 ** 31 - 1
const RETRY_MS = 5_000
/** The answers to a refresh token that say it is good no more. */
const ENDED = new Set(['UNAUTHENTICATED', 'INVALID_INPUT'])

const SESSION_FIELDS = '{ accessToken accessTokenExpiresAt refreshToken user { id email name } }'
const SIGN_UP = `mutation SignUp($email: String!, $password: String!, $name: String!) {
  session: signUp(input: { email: $email, password: $password, name: $name }) ${SESSION_FIELDS}
}`
const SIGN_IN = `mutation SignIn($email: String!, $password: String!) {
  session: signIn(input: { email: $email, password: $password }) ${SESSION_FIELDS}
}`
const REFRESH = `mutation Refresh($refreshToken: String!) { session: refreshSession(refreshToken: $refreshToken) ${SESSION_FIELDS} }`
const SIGN_OUT = 'mutation SignOut { signOut }'

const watchers = new Set()
const twins = new BroadcastChannel(STORAGE_KEY)
let session = restore()
let renewal = null
let timer = null

twins.onmessage = ({ data }) => {
  if (session && data.replaces === session.refreshToken) keep(data.session)
}
scheduleRenewal()

/** The session of this tab, or null: {accessToken, refreshToken, user, expiresAt, renewAt}, both times in ms of this machine's clock. */
export function currentSession() {
  return session
}

/** Calls the watcher after every change of the session; returns the function that ends that. */
export function watchSession(watcher) {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

/** Creates a person and their account, and signs in. Resolves to a list of errors, empty on success. */
export function signUp(values) {
  return begin(SIGN_UP, values)
}

/** Signs in. Resolves to a list of errors, empty on success. */
export function signIn(values) {
  return begin(SIGN_IN, values)
}

/** Forgets the session here at once, and ends it at the server. Resolves to a list of errors: what the server could not do. */
export async function signOut() {
  const headers = await authorization()
  replace(null)
  if (!headers.authorization) return []
  const { result } = await post({ query: SIGN_OUT }, headers)
  return isUnauthenticated(result) ? [] : (result.errors ?? [])
}

/** The headers that say who is asking, renewed first when they are about to expire: {authorization} or nothing. */
export async function authorization() {
  if (session && Date.now() >= session.expiresAt) await renew()
  return session ? { authorization: `Bearer ${session.accessToken}` } : {}
}

/**
 * Exchanges the refresh token for a new pair; calls at the same time share one exchange.
 *
 * A refusal ends the session here. A server that is away does not; it is tried again a little later.
 *
 * @returns {Promise<boolean>} whether there is a new access token
 */
export function renew() {
  renewal ??= exchange().finally(() => {
    renewal = null
  })
  return renewal
}

async function exchange() {
  const used = session
  if (!used) return false
  const { result, serverTime } = await post({ query: REFRESH, variables: { refreshToken: used.refreshToken } })
  if (session !== used) return session !== null
  if (result.data?.session) {
    replace(received(result.data.session, serverTime))
    return true
  }
  // Everything else passes: a server that is away or busy, and a twin that spent the token just now (CONFLICT) and is about to tell.
  if (ENDED.has(result.errors?.[0]?.extensions?.code)) replace(null)
  else scheduleRenewal(RETRY_MS)
  return false
}

async function begin(query, variables) {
  const { result, serverTime } = await post({ query, variables })
  if (result.data?.session) keep(received(result.data.session, serverTime))
  return result.errors ?? []
}

/** Times are taken relative to the server's clock, so that a clock that is wrong on this machine does no harm. */
function received({ accessToken, accessTokenExpiresAt, refreshToken, user }, serverTime) {
  const lifetime = Math.max(Date.parse(accessTokenExpiresAt) - serverTime, 0)
  // Three quarters, and a bit that differs between twins, so that seldom two of them spend the same refresh token.
  const renewAt = Date.now() + lifetime * (0.7 + 0.1 * Math.random())
  return { accessToken, refreshToken, user, expiresAt: Date.now() + lifetime, renewAt }
}

function replace(next) {
  if (session) twins.postMessage({ replaces: session.refreshToken, session: next })
  keep(next)
}

function keep(next) {
  session = next
  if (next) sessionStorage.setItem(STORAGE_KEY, JSON.stringify(next))
  else sessionStorage.removeItem(STORAGE_KEY)
  scheduleRenewal()
  for (const watcher of [...watchers]) watcher()
}

function scheduleRenewal(wait = session && session.renewAt - Date.now()) {
  clearTimeout(timer)
  if (session) timer = setTimeout(renew, Math.min(Math.max(wait, 0), LONGEST_TIMER_MS))
}

function restore() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORAGE_KEY))
    return typeof kept?.accessToken === 'string' ? kept : null
  } catch {
    return null
  }
}
