/** A key as it stands in a body; invisible where GitHub draws Markdown. */
export const markerOf = (key: string): string => `<!-- quantapilot-key: ${key} -->`

/** The body with its key at the end. */
export const withMarker = (body: string, key: string): string => `${body.trimEnd()}\n\n${markerOf(key)}\n`
