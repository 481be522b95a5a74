/** graphql-ws or graphql-sse alone, and the optimistic updates of a page that has no cache. */
import * as sse from '../documented/graphql-sse.mjs'
import * as ws from '../documented/graphql-ws.mjs'
import { createProducts } from '../documented/optimistic.mjs'
import { described, drive, tell } from './drive.mjs'

const ADJUST = 'mutation ($input: AdjustStockInput!) { adjustStock(input: $input) { id } }'

await drive(({ url, session, transport }) => {
  const { watchProducts } = transport === 'sse' ? sse : ws
  const products = createProducts((shown) => tell('list', { products: shown }))
  let client
  let stop

  function open({ keepAlive, patience } = {}) {
    client = ws.createSocket(url, session, { keepAlive, patience })
    client.on('connected', () => tell('connected'))
    client.on('closed', ({ code, reason }) => tell('closed', { code, reason }))
    client.on('ping', (received) => tell('ping', { received }))
    client.on('pong', (received) => tell('pong', { received }))
  }

  return {
    open,
    live() {
      if (transport === 'sse') client ??= sse.createStream(url, session)
      else if (!client) open()
      const show = (result) => {
        tell('result', { products: result.data.products.nodes, version: result.version })
        products.show(result)
      }
      stop = watchProducts(client, { show, ended: (reason) => tell('ended', described(reason)) })
    },
    stop: () => stop(),
    sell({ product, quantity }) {
      const minus = (shown) => (shown.id === product.id ? { ...shown, stock: shown.stock - quantity } : shown)
      return products.change(minus, async () => {
        const response = await fetch(`${url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: await session.authorization() },
          body: JSON.stringify({ query: ADJUST, variables: { input: { productId: product.id, delta: -quantity, reason: 'Sale' } } }),
        })
        return response.json()
      })
    },
  }
})
