import { useState, useSyncExternalStore } from 'react'

import { currentSession, signIn, signOut, signUp, watchSession } from './session.js'

/** The pane of GraphiQL's sidebar where a person signs up, in and out. */
export const ACCOUNT_PLUGIN = { title: 'Account', icon: AccountIcon, content: AccountPane }

/** Who is signed in, for the corner of the page. */
export function AccountBadge() {
  const session = useSession()
  return (
    <div className="tillstream-badge">
      <strong>Tillstream</strong>
      <span className={session ? 'tillstream-dot is-on' : 'tillstream-dot'} aria-hidden="true" />
      <span data-testid="badge">{session ? session.user.email : 'Not signed in'}</span>
    </div>
  )
}

function useSession() {
  return useSyncExternalStore(watchSession, currentSession)
}

function AccountPane() {
  const session = useSession()
  const [errors, setErrors] = useState([])
  const [isBusy, setIsBusy] = useState(false)

  const attempt = async (work) => {
    setIsBusy(true)
    setErrors(await work())
    setIsBusy(false)
  }

  return (
    <section className="tillstream-account" aria-label="Account">
      {session ? (
        <SignedIn session={session} isBusy={isBusy} attempt={attempt} />
      ) : (
        <SignedOut errors={errors} isBusy={isBusy} attempt={attempt} />
      )}
      <ErrorList errors={errors} />
    </section>
  )
}

function SignedOut({ errors, isBusy, attempt }) {
  const [isNew, setIsNew] = useState(true)

  const submit = (event) => {
    event.preventDefault()
    const values = Object.fromEntries(new FormData(event.currentTarget))
    attempt(() => (isNew ? signUp(values) : signIn(values)))
  }
  const choose = (choice) => {
    setIsNew(choice)
    attempt(async () => [])
  }

  return (
    <>
      <h1>{isNew ? 'Open a shop' : 'Welcome back'}</h1>
      <p>Every request of this page is then sent as you, over HTTP and over the websocket of live queries.</p>
      <div className="tillstream-choice" role="group" aria-label="New or known">
        <button type="button" aria-pressed={isNew} onClick={() => choose(true)}>
          Sign up
        </button>
        <button type="button" aria-pressed={!isNew} onClick={() => choose(false)}>
          Sign in
        </button>
      </div>
      <form key={isNew} onSubmit={submit}>
        {isNew && <Field errors={errors} name="name" label="Your name" autoComplete="name" />}
        <Field errors={errors} name="email" label="E-mail" type="email" autoComplete="username" />
        <Field
          errors={errors}
          name="password"
          label="Password"
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
        />
        <button type="submit" className="tillstream-main-action" disabled={isBusy}>
          {isBusy ? 'One moment…' : isNew ? 'Create account' : 'Sign in'}
        </button>
      </form>
    </>
  )
}

function SignedIn({ session, isBusy, attempt }) {
  const { user, accessToken } = session
  return (
    <>
      <h1>{user.name || 'Signed in'}</h1>
      <p className="tillstream-email">{user.email}</p>
      <p>Requests carry your access token, which is renewed by itself and forgotten when this browser tab is closed.</p>
      <button type="button" onClick={() => window.open(document.baseURI)}>
        Open a second tab as {user.name || 'this person'}
      </button>
      <CopyButton text={`Authorization: Bearer ${accessToken}`}>Copy the Authorization header</CopyButton>
      <button type="button" disabled={isBusy} onClick={() => attempt(signOut)}>
        Sign out
      </button>
    </>
  )
}

function CopyButton({ text, children }) {
  const [outcome, setOutcome] = useState(null)

  const copy = async () => {
    try {
      // Browsers give the clipboard only to pages on localhost or behind TLS; elsewhere the text itself is shown.
      await navigator.clipboard.writeText(text)
      setOutcome('Copied')
    } catch {
      setOutcome(text)
    }
  }
  return (
    <button type="button" onClick={copy}>
      {outcome ?? children}
    </button>
  )
}

function Field({ name, label, errors, ...input }) {
  const own = fieldErrors(errors).filter((error) => error.field === name)
  return (
    <label>
      <span>{label}</span>
      <input name={name} required aria-invalid={own.length > 0} aria-describedby={`${name}-errors`} {...input} />
      <span id={`${name}-errors`} className="tillstream-field-error">
        {own.map((error) => error.message).join(' ')}
      </span>
    </label>
  )
}

function ErrorList({ errors }) {
  return (
    <div className="tillstream-errors" role="alert">
      {errors.map((error, index) => (
        <div key={index}>
          {error.message}
          {error.extensions?.retryAfter && ` Try again in ${error.extensions.retryAfter} s.`}
          {error.extensions?.code && <code>{error.extensions.code}</code>}
        </div>
      ))}
    </div>
  )
}

/** The parts of INVALID_INPUT errors that name a field: its last path segment ("input.email", or a list) and what is wrong with it. */
function fieldErrors(errors) {
  return errors
    .flatMap((error) => error.extensions?.fields ?? [])
    .map(({ path, message }) => ({ field: String(path).split(/[.,]/).at(-1), message }))
}

function AccountIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
      <circle cx="12" cy="8" r="4" />
      <path d="M4.5 20.5c1.2-4 4-5.5 7.5-5.5s6.3 1.5 7.5 5.5" />
    </svg>
  )
}
