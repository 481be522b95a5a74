export function createVersions(limitMs = 2_000) {
  let newest = ''
  const waiting = new Set()

  return {
    /** Note the version of a live result: extensions.live.version. */
    seen(version = '') {
      if (version > newest) newest = version
      for (const wait of waiting) if (wait.version <= newest) wait.end()
    },

    /** Resolves when a live result contains the mutation that answered with this extensions.version. */
    async reached(version = '') {
      if (version <= newest) return
      await new Promise((resolve) => {
        // A mutation that alters nothing of what is watched brings no live result: hence the limit.
        const timer = setTimeout(() => wait.end(), limitMs)
        const wait = {
          version,
          end() {
            clearTimeout(timer)
            waiting.delete(wait)
            resolve()
          },
        }
        waiting.add(wait)
      })
    },
  }
}
