import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './style.css'

import { GraphiQL, HISTORY_PLUGIN } from 'graphiql'
import { useSyncExternalStore } from 'react'
import { createRoot } from 'react-dom/client'

import { ACCOUNT_PLUGIN, AccountBadge } from './account.jsx'
import examples from './examples.json'
import { fetchResult } from './fetcher.js'
import { liveStatus, watchLiveStatus } from './live.js'

const PLUGINS = [HISTORY_PLUGIN, ACCOUNT_PLUGIN]
const TABS = examples.map(({ query, variables }) => ({ query, variables: variables && JSON.stringify(variables, null, 2) }))
const STATUS_TEXT = { connecting: 'Connecting…', live: 'Live', reconnecting: 'Connection lost, reconnecting…' }

function LiveFooter() {
  const { state, results, at } = useSyncExternalStore(watchLiveStatus, liveStatus)
  return (
    <div className={`tillstream-live is-${state}`} role="status">
      {state !== 'idle' && (
        <>
          <span className={state === 'live' ? 'tillstream-dot is-on' : 'tillstream-dot'} aria-hidden="true" />
          {STATUS_TEXT[state]}
          {results > 0 && ` · ${results === 1 ? '1 result' : `${results} results`} · last ${at.toLocaleTimeString()}`}
        </>
      )}
    </div>
  )
}

createRoot(document.getElementById('explorer')).render(
  <GraphiQL
    fetcher={fetchResult}
    plugins={PLUGINS}
    visiblePlugin={ACCOUNT_PLUGIN}
    defaultTabs={TABS}
    schemaDescription
    inputValueDeprecation
  >
    <GraphiQL.Logo>
      <AccountBadge />
    </GraphiQL.Logo>
    <GraphiQL.Footer>
      <LiveFooter />
    </GraphiQL.Footer>
  </GraphiQL>,
)
