import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { grammar } from '../grammar.ts'

/** What Slack keeps for itself: https://slack.com/help/articles/201259356-Slash-commands-in-Slack */
const builtIn = new Set(
  (
    'active apps archive away call canvas collapse dm dnd expand feed feedback genie giphy help huddle invite ' +
    'invite_people join kick leave list me mpdm msg mute open part prefs pro remind remove rename search shortcuts ' +
    'shrug star status todo topic unarchive who'
  ).split(' '),
)

/** Every command of ours that Slack allows, and /qp for all of them. */
const commands = [
  { command: '/qp', description: 'Everything QuantaPilot can do', usage_hint: 'help', should_escape: false },
  ...Object.entries(grammar)
    .filter(([name]) => !builtIn.has(name))
    .map(([name, { usage, says }]) => {
      const hint = usage.slice(name.length).trim()
      return {
        command: `/${name}`,
        description: says,
        ...(hint === '' ? {} : { usage_hint: hint }),
        should_escape: false,
      }
    }),
]

const manifest = {
  _metadata: { major_version: 1, minor_version: 1 },
  display_information: {
    name: 'QuantaPilot',
    description: 'A self-hosted software factory, run from chat',
    background_color: '#1f2937',
  },
  features: {
    app_home: { home_tab_enabled: true, messages_tab_enabled: true, messages_tab_read_only_enabled: false },
    bot_user: { display_name: 'quantapilot', always_online: true },
    slash_commands: commands,
  },
  oauth_config: { scopes: { bot: ['chat:write', 'commands', 'files:write', 'im:write', 'users:read'] } },
  settings: {
    event_subscriptions: { bot_events: ['app_home_opened'] },
    interactivity: { is_enabled: true },
    org_deploy_enabled: false,
    socket_mode_enabled: true,
    token_rotation_enabled: false,
  },
}

const comment =
  '# Paste this where Slack asks for an app manifest: docs/slack.md. Written by its test: vitest -u writes it again.\n'

test('the manifest gives Slack every command it allows, and asks for no more than is used', async () => {
  await expect(comment + stringify(manifest, { lineWidth: 0 })).toMatchFileSnapshot('slack-manifest.yml')
})

test('it is one that Slack accepts', () => {
  expect(commands.length).toBeLessThanOrEqual(50)
  for (const { command, description, usage_hint = '' } of commands) {
    expect(command).toMatch(/^\/[a-z0-9_-]{1,31}$/)
    expect([description.length <= 2_000, usage_hint.length <= 1_000]).toEqual([true, true])
  }
  expect(manifest.display_information.name.length).toBeLessThanOrEqual(35)
  expect(manifest.display_information.description.length).toBeLessThanOrEqual(140)
})
