import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { runProcess } from '../../adapters/process/run.ts'
import { makeScratch } from './scratch.ts'

/** A registry of npm's on this machine that holds one package, behind a certificate of its own; it ends with the test. */
export type Registry = {
  /** Its name, and the addresses that this may lead to: all three are listed, since they are no public ones. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  /** Of the package itself. */
  readonly url: string
  /** Paths that were asked for. */
  readonly asked: readonly string[]
  /** What a repository must hold so that `npm ci` installs the package from here. */
  readonly files: Readonly<Record<string, string>>
}

const name = 'left-part'
const version = '1.0.0'
const tarball = `/${name}/-/${name}-${version}.tgz`

/** Opens one whose package has these files. */
export async function openRegistry(content: Readonly<Record<string, string>>): Promise<Registry> {
  const dir = await makeScratch('qp-registry-')
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const bytes = await pack(dir, content)
  const { key, cert } = await makeCertificate(dir)
  const asked: string[] = []
  const server = createServer({ key, cert }, (request, response) => {
    asked.push(request.url ?? '')
    if (request.url !== tarball) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `https://localhost:${port}`
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const hosts = ['localhost', '127.0.0.1', '::1'].map((host) => ({ host, port }))
  return { hosts, url: `${url}${tarball}`, asked, files: filesFor(url, integrity, cert) }
}

function filesFor(url: string, integrity: string, cert: string): Readonly<Record<string, string>> {
  const dependencies = { [name]: version }
  const root = { name: 'shop', version: '1.0.0' }
  const locked = { version, resolved: `${url}${tarball}`, integrity, hasInstallScript: true }
  const packages = { '': { ...root, dependencies }, [`node_modules/${name}`]: locked }
  return {
    'package.json': JSON.stringify({ ...root, dependencies, scripts: { test: 'node test.js' } }),
    'package-lock.json': JSON.stringify({ ...root, lockfileVersion: 3, requires: true, packages }),
    '.npmrc': `registry=${url}/\ncafile=registry.pem\n`,
    'registry.pem': cert,
  }
}

/** As npm packs it: everything below `package`. */
async function pack(dir: string, content: Readonly<Record<string, string>>): Promise<Buffer> {
  await mkdir(join(dir, 'package'))
  await writeFile(join(dir, 'package', 'package.json'), JSON.stringify({ name, version }))
  for (const [path, text] of Object.entries(content)) await writeFile(join(dir, 'package', path), text)
  await runIn(dir, 'tar', ['-czf', 'package.tgz', 'package'])
  return await readFile(join(dir, 'package.tgz'))
}

async function makeCertificate(dir: string): Promise<{ readonly key: string; readonly cert: string }> {
  const subject = ['-subj', '/CN=registry', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await runIn(dir, 'openssl', ['req', ...kind, '-keyout', 'key.pem', '-out', 'cert.pem', ...subject])
  return { key: await readFile(join(dir, 'key.pem'), 'utf8'), cert: await readFile(join(dir, 'cert.pem'), 'utf8') }
}

async function runIn(cwd: string, command: string, args: readonly string[]): Promise<void> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin' }
  const done = await runProcess({ command, args, cwd, env, timeoutMs: 20_000, maxOutputBytes: 100_000 })
  expect(done.exitCode, done.stderr).toBe(0)
}
