/** Takes the commands of postgres and redis-server apart: `-c name=value`, `--name=value`, `--name value`. */

export type Word = { readonly text: string; readonly line: number };
export type Flag = { readonly name: string; readonly value: string; readonly line: number };

/** Words of a command that is written as one line, with a shell's quotes. */
export function splitCommand(text: string, line: number): readonly Word[] {
  const words = text.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => ({ text: word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"), line }));
}

/** `-c name=value`, `-cname=value` and `--name=value`; dashes in a name are underscores. */
export function postgresFlags(words: readonly Word[]): readonly Flag[] {
  const flags: Flag[] = [];
  words.forEach(({ text, line }, index) => {
    const isPlain = words[index - 1]?.text === "-c";
    const [, name, value] = (isPlain ? /^([\w.-]+)=(.*)$/s : /^(?:-c|--)([\w.-]+)=(.*)$/s).exec(text) ?? [];
    if (name !== undefined && value !== undefined)
      flags.push({ name: name.replaceAll("-", "_").toLowerCase(), value: value.replace(/^'(.*)'$/s, "$1"), line });
  });
  return flags;
}

/** Every `--name` takes the words up to the next one. */
export function redisFlags(words: readonly Word[]): readonly Flag[] {
  const flags: Flag[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    const name = /^--([\w-]+)$/.exec(word?.text ?? "")?.[1];
    if (word === undefined || name === undefined) continue;
    const values: string[] = [];
    for (let next = index + 1; next < words.length && !words[next]?.text.startsWith("--"); next++)
      values.push(words[next]?.text ?? "");
    flags.push({ name: name.toLowerCase(), value: values.join(" "), line: word.line });
  }
  return flags;
}
