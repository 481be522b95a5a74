/** The audits of GraphQL over HTTP by npm's graphql-http, of the server whose address is given: each with its outcome, as JSON. */
import { serverAudits } from 'graphql-http'

const { url } = JSON.parse(process.argv[2])
const outcomes = []
for (const audit of serverAudits({ url: `${url}/graphql` })) {
  const outcome = await audit.fn()
  outcomes.push({ id: outcome.id, name: outcome.name, status: outcome.status, reason: outcome.reason })
}
process.stdout.write(JSON.stringify(outcomes))
