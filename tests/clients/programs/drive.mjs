/** How pytest drives a client: each line of stdin is a command, each line of stdout is something that happened, both JSON. */
import { createInterface } from 'node:readline'

import NodeWebSocket from 'ws'

import { createSession, needsSignIn } from '../documented/session.mjs'

const { url, email, password, transport, live } = JSON.parse(process.argv[2])

// Node.js before version 22 has no WebSocket of its own; a browser has.
const PlainWebSocket = globalThis.WebSocket ?? NodeWebSocket

/** What is live may go another way than the rest, one that the test can cut: through `live`, host and port. */
const detour = (target) => (live ? target.replace(new URL(url).host, live) : target)

globalThis.WebSocket = class extends PlainWebSocket {
  constructor(target, ...rest) {
    super(detour(target), ...rest)
  }
}

const plainFetch = globalThis.fetch
globalThis.fetch = async (target, options) => {
  const request = options?.body ?? target
  const response = await plainFetch(/subscription/.test(request) ? detour(target) : target, options)
  tell('fetched', { request: String(request), status: response.status })
  return response
}

export function tell(event, details = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...details })}\n`)
}

/** What an error is to a reader of another language. */
export function described(reason) {
  if (reason === undefined) return { kind: 'complete', errors: [] }
  const errors = Array.isArray(reason) ? reason : (reason.errors ?? reason.graphQLErrors ?? [])
  const { message, code, reason: said } = reason
  return { kind: reason.name ?? reason.constructor.name, message, code, said, errors, needsSignIn: needsSignIn(reason) }
}

/** Signs in, and carries out the commands that `commandsOf` makes, none waiting for another, until stdin ends. */
export async function drive(commandsOf) {
  const session = createSession(url)
  await session.signIn(email, password)
  const commands = { authorization: () => session.authorization(), ...commandsOf({ url, session, transport }) }

  const perform = async ({ number, command, input }) => {
    try {
      tell('done', { number, value: await commands[command](input) })
    } catch (error) {
      tell('done', { number, failure: described(error) })
    }
  }
  for await (const line of createInterface({ input: process.stdin })) perform(JSON.parse(line))
  process.exit(0)
}
