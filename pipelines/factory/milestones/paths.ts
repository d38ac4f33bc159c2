import picomatch from 'picomatch'
import type { Settings } from '../settings/settings.ts'

/** Why an agent may not change a path; null when it may. What the project and the product keep for people comes first. */
export function refusalOf(path: string, policies: Settings['policies']): string | null {
  const parts = path.toLowerCase().split('/')
  if (parts.some((part) => part.startsWith('.git'))) return 'git’s and the code host’s own files are for people'
  if (rules.has(parts.at(-1) ?? '')) return 'it says who may do what here'
  if (matches(path, policies.protected_paths ?? [])) return 'quantapilot.yml protects it (policies.protected_paths)'
  const allowed = policies.allow_paths
  if (allowed && !matches(path, allowed)) return 'quantapilot.yml does not allow it (policies.allow_paths)'
  return null
}

const rules: ReadonlySet<string> = new Set(['quantapilot.yml', 'codeowners'])

const matches = (path: string, globs: readonly string[]): boolean =>
  globs.some((glob) => picomatch.isMatch(path, glob, { dot: true, nobrace: true, noextglob: true, nobracket: true }))

/** Gates of their own that a project may want for some paths, by the gate's name. */
const special = {
  'ci-policy': ['**/{.gitlab-ci.yml,Jenkinsfile,azure-pipelines.yml}', '**/.circleci/**', '**/.husky/**'],
  migration: ['**/migrations/**', '**/migrate/**', '**/*.sql'],
} as const

export type SpecialGate = keyof typeof special

export const specialGates: readonly SpecialGate[] = ['ci-policy', 'migration']

/** Whether a path is what that gate is about. */
export const isAbout = (gate: SpecialGate, path: string): boolean =>
  picomatch.isMatch(path, [...special[gate]], { dot: true, nocase: true })
/** Files that say which packages are installed, and how. */
export const isManifest = (path: string): boolean => picomatch.isMatch(path, manifests, { dot: true, nocase: true })

/** Files that run, install or ship things: their lines stand on the card, and a person decides about them, whatever the policy. */
export const isSensitive = (path: string): boolean => picomatch.isMatch(path, sensitive, { dot: true, nocase: true })

const manifests = [
  '**/package.json',
  '**/{package-lock,npm-shrinkwrap}.json',
  '**/{pnpm-lock,pnpm-workspace}.yaml',
  '**/{yarn,bun,Cargo,poetry,uv,Gemfile,composer,Pipfile,go,flake}.{lock,sum}',
  '**/{.npmrc,.yarnrc,.yarnrc.yml,.pnpmfile.cjs}',
  '**/{Cargo,pyproject}.toml',
  '**/{requirements*.txt,setup.py,setup.cfg,Pipfile,Gemfile,go.mod,pom.xml,build.gradle,build.gradle.kts,composer.json}',
]

const sensitive = [
  ...manifests,
  '**/{Makefile,Justfile,Rakefile}',
  '**/{Dockerfile*,Containerfile*,docker-compose*.yml,compose*.yml,compose*.yaml}',
  ...special['ci-policy'],
  ...special.migration,
  '**/{.vscode,.devcontainer}/**',
  '{ops,contracts,infra,docker,deploy}/**',
]
