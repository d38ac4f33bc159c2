import type { SandboxResult } from '../../../core/workshop.ts'
import type { Settings } from '../settings/settings.ts'

/** What a script ends with when it finds nothing to run. */
export const nothingToRun = 77

const usualTest = `if [ -f package.json ] && grep -q '"test"[[:space:]]*:' package.json; then npm test
elif [ -f Makefile ] && grep -q '^test:' Makefile; then make test
elif [ -f go.mod ]; then go test ./...
elif [ -f Cargo.toml ]; then cargo test --offline
elif ls test_*.py tests/*.py test/*.py >/dev/null 2>&1; then python3 -m unittest discover
else exit ${nothingToRun}
fi`

/** As it is locked, and without the scripts of packages. */
const usualInstall = `if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci --ignore-scripts
else exit ${nothingToRun}
fi`

/** What brings the project's packages into its folder; where quantapilot.yml names nothing, what its files usually mean. */
export const installScript = ({ stack }: Settings): string => {
  const command = stack?.['install']
  return `set -e\n${typeof command === 'string' ? command : usualInstall}`
}

/**
 * The project's own commands, from the base branch's quantapilot.yml; where it names no test, what its files usually mean.
 * Its install is among them where there was none before.
 */
export function testScript({ stack }: Settings, isInstalled: boolean): string {
  const named = ['install', 'build', 'lint', 'test'].flatMap((name) => {
    const command = name === 'install' && isInstalled ? null : stack?.[name]
    return typeof command === 'string' ? [`echo '== ${name}'`, command] : []
  })
  const test = typeof stack?.['test'] === 'string' ? [] : ["echo '== test'", usualTest]
  return ['set -e', ...named, ...test].join('\n')
}

/** As much as helps an agent to find the cause; the whole is an artifact. */
const tailBytes = 8_000

export const tailOf = ({ stdout, stderr }: SandboxResult): string => `${stdout}\n${stderr}`.trim().slice(-tailBytes)
