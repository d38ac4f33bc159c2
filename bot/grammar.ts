import type { CommandKind } from '../core/commands/command.ts'

/** How each command is written, for help and for errors; the same on every surface. */
export const grammar: Readonly<Record<CommandKind, { readonly usage: string; readonly says: string }>> = {
  run: {
    usage: 'run <folder or URL> [branch] [--pipeline factory] [--dry-run] [--confirm]',
    says: 'start a run on a repository',
  },
  status: { usage: 'status [run]', says: 'one run with its open gates, or the latest runs' },
  runs: { usage: 'runs [page]', says: 'the latest runs, 5 a page' },
  gates: { usage: 'gates [page]', says: 'everything that waits for a decision, the oldest first, 50 a page' },
  approve: {
    usage: 'approve <run> [gate] [phase] [--sha <digits>]',
    says: 'say yes to the exact bytes a gate shows; phase: money for the phase under way only',
  },
  reject: { usage: 'reject <run> <reason>', says: 'say no; the run ends' },
  changes: {
    usage: 'changes <run> <what>',
    says: 'send it back with a comment, which becomes part of the documents; a new gate shows the difference',
  },
  pause: { usage: 'pause <run>', says: 'stop after or inside the current step' },
  resume: { usage: 'resume <run>', says: 'go on with a paused run' },
  retry: { usage: 'retry <run>', says: 'one extra try of what failed' },
  cancel: { usage: 'cancel <run>', says: 'stop for good and clean up' },
  undo: {
    usage: 'undo <run> [commit]',
    says: 'take back what a run did outside; with a commit, just that merge. What changes a default branch is asked first',
  },
  budget: {
    usage: 'budget <run> [+amount | <call> <amount>]',
    says: 'what a run has spent; +5 asks for five dollars more; with a call, books what it cost',
  },
  logs: { usage: 'logs <run> [page]', says: 'what happened, line by line, 500 a page' },
  calls: { usage: 'calls <run> [page]', says: 'each call of a model: what asked, what it cost, what came of it' },
  artifacts: { usage: 'artifacts <run> [name]', says: 'what a run made; with a name, the text itself' },
  diff: { usage: 'diff <run>', says: 'what a gate shows against the version before' },
  webhook: {
    usage:
      'webhook add <https URL> [--events run_failed,run_completed] | webhook list | webhook remove <webhook> | webhook test <webhook>',
    says: 'tell other programs what happens',
  },
  whoami: { usage: 'whoami', says: 'who you are here and what you may do' },
  link: { usage: 'link [code]', says: 'join your accounts: get a code at one, say it at the other' },
  actor: {
    usage: 'actor list | actor add [role …] | actor role <who> <+role|-role …>',
    says: 'who may do what; add prints a code to hand over',
  },
  subscribe: {
    usage: 'subscribe [project] [--decisions]',
    says: 'show runs here; with --decisions only what waits for people',
  },
  unsubscribe: { usage: 'unsubscribe [project]', says: 'show no more runs here' },
  mute: { usage: 'mute <hours> [project]', says: 'show nothing here for a while' },
  quiet: { usage: 'quiet <from> <to> [zone] | quiet off', says: 'no sounds here between two times of day' },
  mail: {
    usage: 'mail <address> | mail <code> | mail off | mail subscribe|unsubscribe|mute|quiet …',
    says: 'hear of runs by mail, and decide behind its links; a code proves that the mailbox is yours',
  },
  delegate: { usage: 'delegate <who> <hours>', says: 'let somebody decide in your place for a while; 0 ends it' },
  key: {
    usage: 'key add <label> [--scope read,operate,decide] | key list | key revoke <id>',
    says: 'let a program act for you over HTTP; add shows its secret once',
  },
  privacy: {
    usage: 'privacy export [who] | privacy erase [who] [--confirm]',
    says: 'all that is kept of you, as a file; or forget you for good',
  },
  freeze: { usage: 'freeze <run>', says: 'stop a run whose decision was not yours, until an admin has looked' },
}

export const kinds = Object.keys(grammar) as readonly CommandKind[]

/** The originals' spellings. */
export const aliases: ReadonlyMap<string, CommandKind> = new Map([
  ['abort', 'cancel'],
  ['continue', 'resume'],
  ['projects', 'runs'],
])
