/** Whether a model, `openai/gpt-5.5`, is the one that a project names, with its provider or without. */
export const isModelNamed = (name: string, wanted: string): boolean => name === wanted || name.endsWith(`/${wanted}`)

/** For a project that names a model which the server does not have. `key` is where in quantapilot.yml it does. */
export const sayNoSuchModel = (wanted: string, known: readonly string[], key: string): string =>
  `quantapilot.yml asks for the model ${wanted}, which this server does not have: name one of ${known.join(', ')} in ${key}, or leave it out.`
