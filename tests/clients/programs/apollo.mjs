/** Apollo Client, live over a websocket or over multipart HTTP. */
import { createApollo } from '../documented/apollo.mjs'
import { createApolloOverHttp } from '../documented/apollo-multipart.mjs'
import { keepFresh, LIVE, PRODUCT, PRODUCTS, sell } from '../documented/apollo-products.mjs'
import { described, drive, tell } from './drive.mjs'

await drive(({ url, session, transport }) => {
  const apollo = transport === 'multipart' ? createApolloOverHttp(url, session) : createApollo(url, session)
  let stop

  function watch(options, seen) {
    apollo.watchQuery(options).subscribe(({ data, dataState, error }) => {
      if (error) tell('broken', described(error))
      else if (dataState === 'complete') seen(data)
    })
  }

  return {
    watch({ product }) {
      watch({ query: PRODUCTS }, ({ products }) => tell('list', { products: products.nodes }))
      watch({ query: PRODUCT, variables: { id: product.id } }, (data) => tell('one', { product: data.product }))
    },
    keepFresh() {
      const subscription = keepFresh(apollo, (reason) => tell('ended', described(reason)))
      stop = () => subscription.unsubscribe()
    },
    live() {
      const subscription = apollo.subscribe({ query: LIVE }).subscribe(({ data, error, extensions }) => {
        if (error) tell('ended', described(error))
        else tell('result', { products: data.live.products.nodes, version: extensions.live.version })
      })
      stop = () => subscription.unsubscribe()
    },
    stop: () => stop(),
    async sell({ product, quantity }) {
      const { data, extensions } = await sell(apollo, product, quantity)
      return { data, extensions }
    },
    cache: () => apollo.cache.extract(),
  }
})
