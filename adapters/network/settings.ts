import { z } from 'zod'

const isLocal = ({ hostname }: URL): boolean => ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)

/** Elsewhere a key and a README would travel in the open. */
const isAddress = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal(url)))
}

/** A secret as its provider shows it. */
export const key = (name: string) =>
  z
    .string()
    .regex(/^[\x21-\x7e]+$/, `${name} must be one word, as the provider shows it.`)
    .optional()

/** Where a provider is reached. */
export const address = (name: string) =>
  z
    .string()
    .refine(isAddress, `${name} must be an https address, or http on this machine, such as http://localhost:11434/v1.`)
    .optional()
