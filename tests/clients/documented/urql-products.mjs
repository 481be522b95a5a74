import { gql } from '@urql/core'

export const PRODUCTS = gql`query { products(first: 5) { nodes { id name stock } } }`
export const PRODUCT = gql`query ($id: ID!) { product(id: $id) { id name stock } }`
export const LIVE = gql`subscription { live { products(first: 5) { nodes { id name stock } } } }`
export const ADJUST = gql`mutation ($input: AdjustStockInput!) { adjustStock(input: $input) { id stock } }`

/** Keeps every query of these fields fresh, wherever on the page it is (in React: useSubscription, once). */
export function keepFresh(urql, ended) {
  return urql.subscription(LIVE, {}).subscribe(({ error }) => error && ended(error))
}

/** What Graphcache shows of a mutation before it is answered. */
export const optimistic = {
  adjustStock({ input: { productId: id, delta } }, cache) {
    const product = { __typename: 'Product', id }
    return { ...product, stock: cache.resolve(product, 'stock') + delta }
  },
}

export function sell(urql, product, quantity) {
  return urql.mutation(ADJUST, { input: { productId: product.id, delta: -quantity, reason: 'Sale' } })
}
