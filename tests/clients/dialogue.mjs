// How a program of this folder speaks with the test that started it: settings in the environment, one JSON object a
// line on standard output, addresses that the browser came back to on standard input.
import { createInterface } from 'node:readline'

const input = createInterface({ input: process.stdin })
const lines = input[Symbol.asyncIterator]()

export const { ISSUER, CLIENT_ID, CLIENT_SECRET, TOKEN_AUTH, ALGORITHM, SCOPE } = process.env
export const { REDIRECT_URI, POST_LOGOUT_REDIRECT_URI, CLIENT_KEY, SERVICE } = process.env

const used = new Set(process.env.USES.split(' '))

/** Whether the client is registered for `part`: `par`, `jwt`, `dpop`. */
export function uses(part) {
  return used.has(part)
}

/** Has `url` opened in a browser, and gives the address that the browser was sent back to. */
export async function open(url) {
  say({ open: String(url) })
  const { value, done } = await lines.next()
  if (done) throw new Error('the browser never came back')
  return value
}

/** The last word: what this client saw of the person. */
export function done(seen) {
  say({ seen })
  input.close()
}

function say(message) {
  console.log(JSON.stringify(message))
}
