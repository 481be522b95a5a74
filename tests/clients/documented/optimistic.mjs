const LONGEST_MS = 2_000

/** Products as they are shown: the live ones, with what the user has just done on top until they contain it. */
export function createProducts(render) {
  const pending = new Set()
  let products = []
  let version = ''

  function draw() {
    for (const change of pending) if (change.version <= version) pending.delete(change)
    render(products.map((product) => [...pending].reduce((shown, { apply }) => apply(shown), product)))
  }

  return {
    /** Takes each live result: its data and its extensions.live.version. */
    show(result) {
      products = result.data.products.nodes
      version = result.version
      draw()
    },

    /** Shows `apply` (a product to a product) at once; drops it when what is live contains it, or when the mutation failed. */
    async change(apply, mutate) {
      const change = { apply }
      const settle = (version) => {
        change.version = version
        draw()
      }
      pending.add(change)
      draw()
      try {
        const { extensions } = await mutate()
        settle(extensions?.version ?? '')
      } catch (error) {
        settle('')
        throw error
      }
      // If somebody undid it in the same moment, what is live is as it was, and is not sent again.
      setTimeout(settle, LONGEST_MS, '')
    },
  }
}
