/** urql with Graphcache, live over a websocket or over server-sent events. */
import { createUrql, createUrqlOverHttp } from '../documented/urql.mjs'
import { keepFresh, LIVE, optimistic, PRODUCT, PRODUCTS, sell } from '../documented/urql-products.mjs'
import { described, drive, tell } from './drive.mjs'

await drive(({ url, session, transport }) => {
  const urql = (transport === 'sse' ? createUrqlOverHttp : createUrql)(url, session, { optimistic })
  let stop

  const watch = (query, variables, seen) =>
    urql.query(query, variables).subscribe(({ data, error }) => (error ? tell('broken', described(error)) : seen(data)))

  return {
    watch({ product }) {
      watch(PRODUCTS, {}, ({ products }) => tell('list', { products: products.nodes }))
      watch(PRODUCT, { id: product.id }, (data) => tell('one', { product: data.product }))
    },
    keepFresh() {
      const subscription = keepFresh(urql, (reason) => tell('ended', described(reason)))
      stop = () => subscription.unsubscribe()
    },
    live() {
      const subscription = urql.subscription(LIVE, {}).subscribe(({ data, error, extensions }) => {
        if (error) tell('ended', described(error))
        else tell('result', { products: data.live.products.nodes, version: extensions.live.version })
      })
      stop = () => subscription.unsubscribe()
    },
    stop: () => stop(),
    async sell({ product, quantity }) {
      const { data, extensions } = await sell(urql, product, quantity)
      return { data, extensions }
    },
  }
})
