import { z } from 'zod'

const port = (name: string) => {
  const range = `${name} must be a port from 0 to 65535; 0 takes any free one.`
  return z
    .string()
    .regex(/^\d{1,5}$/, range)
    .transform(Number)
    .refine((value) => value <= 65_535, range)
}

/**
 * Where HTTP is served. No port is opened that nobody asked for: without QP_HTTP_PORT there is no API, and probes and
 * figures are there with it, or where QP_OPS_PORT is set.
 */
export const httpEnvironment = {
  QP_HTTP_PORT: port('QP_HTTP_PORT').optional(),
  QP_HTTP_HOST: z.string().default('127.0.0.1'),
  QP_OPS_PORT: port('QP_OPS_PORT').optional(),
  QP_OPS_HOST: z.string().default('127.0.0.1'),
  QP_HTTP_RUNS_PER_HOUR: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, 'QP_HTTP_RUNS_PER_HOUR must be a whole number of runs from 1 to 999999.')
    .transform(Number)
    .default(10),
}
