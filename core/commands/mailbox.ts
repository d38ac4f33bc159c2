import type { Actor } from '../model/actor.ts'
import type { Result } from '../model/problem.ts'
import { accepted, Fault, refused } from '../model/problem.ts'
import { appendAudit } from '../store/audit.ts'
import { everyProject, subscribe } from '../store/destination.ts'
import { findMailbox, forgetMailbox, insertMailCode, useMailCode } from '../store/mailbox.ts'
import { lockPeople } from '../store/actor.ts'
import type { Command, Reply } from './command.ts'
import type { Desk } from './desk.ts'
import { follow } from './follow.ts'
import { hashOfCode, newCode } from './people.ts'

type Mail = Extract<Command, { kind: 'mail' }>
type Post = Pick<Desk, 'db' | 'people' | 'mail'>

const codeLifeMs = 15 * 60_000
const codesAnHour = 5
const wrongCodesAllowed = 5

/** A person's own mailbox: asked for, proven, given back, and what it hears of. */
export async function mailbox(desk: Post, actor: Actor, command: Mail): Promise<Result<Reply>> {
  switch (command.act) {
    case 'ask':
      return ask(desk, actor, command.address)
    case 'confirm':
      return confirm(desk, actor, command.code)
    case 'off':
      return giveBack(desk, actor)
    case 'follow': {
      const [mine] = await desk.db.run(findMailbox, { actor: actor.id })
      return mine ? follow(desk.db, { ...actor, at: mine.id }, command.follow) : noMailbox
    }
  }
}

/** Sends a code to the address, after it is kept. What is answered does not tell whether the address is known or there. */
async function ask({ db, people, mail }: Post, actor: Actor, address: string): Promise<Result<Reply>> {
  if (mail === null)
    return refused('wrong_state', 'No mail can be sent from here.', 'Set SMTP_URL and SMTP_FROM (docs/mail.md).')
  const code = newCode()
  const sealed = await people.sealAddress(actor.id, address)
  const [kept] = await db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const sha256 = hashOfCode(code)
    return tx.run(insertMailCode, { actor: actor.id, sha256, sealed, forMs: codeLifeMs, most: codesAnHour })
  })
  if (!kept)
    return refused('wrong_state', `You asked for ${codesAnHour} codes within the hour.`, 'Use the last one, or wait.')
  try {
    await mail.sendCode(address, code)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    // That an address takes no mail is nothing to tell strangers; that no mail leaves at all is.
    if (error.code !== 'PRECONDITION_FAILED')
      return refused('wrong_state', 'The mail server did not take the mail.', 'Ask again in a few minutes.')
  }
  return accepted({ kind: 'mailbox', did: 'asked', address })
}

async function confirm({ db, people }: Post, actor: Actor, code: string): Promise<Result<Reply>> {
  return db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const sha256 = hashOfCode(code)
    const [used] = await tx.run(useMailCode, { actor: actor.id, sha256, mostFailures: wrongCodesAllowed })
    const address = used ? await people.openAddress(actor.id, used.sealed) : null
    if (address === null) {
      return refused('not_found', 'This code is wrong, used or too old.', 'Get a new one with /mail <address>.')
    }
    // Whoever can read the mailbox now has it, and nobody else: links of whoever had it before are dead.
    await tx.run(forgetMailbox, { actor: actor.id, lookup: await people.addressLookup('mail', address) })
    const destination = await people.insertPlace(tx, 'mail', { address, actor: actor.id })
    await tx.run(subscribe, { destination, project: everyProject, level: 'decisions', forMs: 0 })
    await appendAudit(tx, [entry(actor, 'mailbox.link')])
    return accepted<Reply>({ kind: 'mailbox', did: 'confirmed', address })
  })
}

async function giveBack({ db }: Post, actor: Actor): Promise<Result<Reply>> {
  return db.transaction(async (tx) => {
    await tx.run(lockPeople, {})
    const [gone] = await tx.run(forgetMailbox, { actor: actor.id, lookup: null })
    if (!gone) return noMailbox
    await appendAudit(tx, [entry(actor, 'mailbox.unlink')])
    return accepted<Reply>({ kind: 'mailbox', did: 'off', address: null })
  })
}

const noMailbox = refused('not_found', 'No mailbox of yours is known here.', 'Name it with /mail <address>.')

const entry = ({ id, surface }: Actor, action: string) => ({
  actorId: id,
  action,
  runId: null,
  correlationId: null,
  target: `actor:${id}`,
  contentSha256: null,
  detail: { surface },
})
