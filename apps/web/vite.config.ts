/** Builds the pages into dist/web; `npx vite apps/web` serves them with reload against a running API. */
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The content policy allows pictures as data, but a file of its own is cached for ever.
    assetsInlineLimit: 0,
  },
  server: { proxy: { '/api': process.env['GYRE_API_URL'] ?? 'http://127.0.0.1:8080' } },
})
