import { gql } from '@apollo/client'

export const PRODUCTS = gql`query { products(first: 5) { nodes { id name stock } } }`
export const PRODUCT = gql`query ($id: ID!) { product(id: $id) { id name stock } }`
export const LIVE = gql`subscription { live { products(first: 5) { nodes { id name stock } } } }`
export const ADJUST = gql`mutation ($input: AdjustStockInput!) { adjustStock(input: $input) { id stock } }`

/** Keeps every watched query of these fields fresh, wherever on the page it is (in React: useSubscription(LIVE), once). */
export function keepFresh(apollo, ended) {
  return apollo.subscribe({ query: LIVE }).subscribe({
    next: ({ error }) => error && ended(error),
    complete: () => ended(),
  })
}

export function sell(apollo, product, quantity) {
  return apollo.mutate({
    mutation: ADJUST,
    variables: { input: { productId: product.id, delta: -quantity, reason: 'Sale' } },
    optimisticResponse: { adjustStock: { __typename: 'Product', id: product.id, stock: product.stock - quantity } },
  })
}
