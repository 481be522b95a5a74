import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { defineConfig } from 'vite'

/** The folder, inside the output, of everything whose name carries a hash; explorer_routes() in __init__.py serves it, flat. */
const ASSETS = 'explorer'

/** Compresses at build time what is sent by the megabyte, so that no server ever spends its event loop on it. */
function precompress() {
  return {
    name: 'precompress',
    writeBundle({ dir }) {
      const names = readdirSync(`${dir}/${ASSETS}`).filter((name) => /\.(js|css)$/.test(name))
      for (const name of names) {
        const path = `${dir}/${ASSETS}/${name}`
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  // Relative addresses, so that the page also works behind a proxy that serves it below a path prefix.
  base: './',
  plugins: [precompress()],
  build: {
    assetsDir: ASSETS,
    // Everything as a file of its own: a data: address would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Monaco, the editor, is one chunk of 3 MB; it is loaded once and then cached for ever.
    chunkSizeWarningLimit: 5000,
    // "use client" is for frameworks that render on a server.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  worker: { format: 'es' },
})
