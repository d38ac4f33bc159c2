import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { runProcess } from '../adapters/process/run.ts'

const names = z.union([z.string(), z.array(z.string())]).optional()

const entry = z.object({
  version: z.string(),
  integrity: z.string().startsWith('sha512-').optional(),
  resolved: z.string().optional(),
  link: z.boolean().optional(),
  optional: z.boolean().optional(),
  os: names,
  cpu: names,
})

const lockfile = z.object({ packages: z.record(z.string(), entry.partial({ version: true })) })

const manifest = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
})

const json = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'))

test('every package that Linux installs is from the registry, of one version, with its hash', async () => {
  const { packages } = lockfile.parse(await json('package-lock.json'))
  const entries = Object.entries(packages).filter(([path]) => path !== '')
  expect(entries.length).toBeGreaterThan(400)
  const odd = entries.filter(
    ([, { link, resolved, version }]) => link || resolved || !/^\d+\.\d+\.\d+/.test(version ?? ''),
  )
  expect(odd, 'links, addresses and versions of git').toEqual([])
  const without = entries.filter(([, { integrity }]) => !integrity)
  const forOthers = without.filter(
    ([, { optional, os, cpu }]) => optional && !(os?.includes('linux') && cpu?.includes('x64')),
  )
  expect(without.map(([path]) => path)).toEqual(forOthers.map(([path]) => path))
  const { dependencies, devDependencies } = manifest.parse(await json('package.json'))
  expect(Object.keys(dependencies).length).toBeLessThanOrEqual(25)
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    expect(version, name).toMatch(/^\d+\.\d+\.\d+(?:-[\w.]+)?$/)
})

test('no code of a package runs when it is installed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qp-canary-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'canary'))
  const canary = { name: 'canary', version: '1.0.0', scripts: { postinstall: 'touch ../sang' } }
  await writeFile(join(folder, 'canary', 'package.json'), JSON.stringify(canary))
  const project = { name: 'house', version: '1.0.0', private: true, dependencies: { canary: 'file:canary' } }
  await writeFile(join(folder, 'package.json'), JSON.stringify(project))
  const install = async () =>
    runProcess({
      command: 'npm',
      args: ['install', '--offline', '--cache', join(folder, 'cache')],
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder },
      timeoutMs: 50_000,
      maxOutputBytes: 100_000,
    })
  await copyFile(resolve('.npmrc'), join(folder, '.npmrc'))
  expect((await install()).exitCode).toBe(0)
  expect(existsSync(join(folder, 'sang'))).toBe(false)
  await rm(join(folder, '.npmrc'))
  await rm(join(folder, 'node_modules'), { recursive: true })
  expect((await install()).exitCode).toBe(0)
  expect(existsSync(join(folder, 'sang')), 'it sings where nobody forbids it').toBe(true)
})
