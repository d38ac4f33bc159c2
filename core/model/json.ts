/** Anything that survives `JSON.parse(JSON.stringify(x))`: what steps return and the database stores. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }
