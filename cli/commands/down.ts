/** `mcp-stack down`: ends a stack of this machine and keeps its data. */
import { stopStack } from "../../infra/targets/local/index.ts";
import { type Command, readOptions } from "../command.ts";
import { dataDirectoryOf, readStackFile, targetOf } from "../local-stack.ts";
import { say } from "../print.ts";

const options = {
  stack: { type: "string", short: "s", value: "<stack>", help: "Stack that runs" },
  target: { type: "string", value: "<target>", help: "local, docker or kubernetes instead of what its file says" },
  "data-dir": { type: "string", value: "<directory>", help: "Where up keeps data, files and logs of the stack" },
} as const;

export const command: Command = {
  summary: "end a stack; its data stay",
  options,
  async run(argv) {
    const values = readOptions(argv, options);
    const file = await readStackFile(values.stack);
    const target = targetOf(file, values.target);
    if (target !== "local") throw new RangeError(takesData(file.name, target));
    const data = dataDirectoryOf(file.name, values["data-dir"]);
    const ended = await stopStack(data, say);
    say(ended.length === 0 ? `stack ${file.name} does not run` : `ended: ${ended.join(", ")}; data stay in ${data}`);
    return 0;
  },
};

/** This command keeps data; nothing that does not is run from here. */
function takesData(stack: string, target: string): string {
  const images = target === "docker" ? "; images stay: docker image rm $(docker image ls -q mcp-stack/gateway)" : "";
  return `stack ${stack} runs on ${target}: pulumi destroy -s ${stack} ends it, and takes its data with it${images}`;
}
