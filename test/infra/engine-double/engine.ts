/** The engine that a program logs to and that knows which resource is the stack. */
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { LogRequest, SetRootResourceRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import type { Logged } from "./run.ts";

const SEVERITIES: readonly Logged["severity"][] = ["debug", "info", "warning", "error"];

export function serveEngine(logs: Logged[]): UntypedServiceImplementation {
  let root = "";
  const unimplemented = (_: unknown, reply: (error: object) => void) => reply({ code: status.UNIMPLEMENTED });
  return {
    log({ request }: ServerUnaryCall<LogRequest, unknown>, reply: sendUnaryData<unknown>) {
      const severity = SEVERITIES[request.getSeverity()] ?? "error";
      if (severity !== "debug") logs.push({ severity, message: request.getMessage(), urn: request.getUrn() });
      reply(null, new empty.Empty());
    },
    setRootResource({ request }: ServerUnaryCall<SetRootResourceRequest, unknown>, reply: sendUnaryData<unknown>) {
      root = request.getUrn();
      reply(null, new engine.SetRootResourceResponse());
    },
    getRootResource(_: unknown, reply: sendUnaryData<unknown>) {
      reply(null, new engine.GetRootResourceResponse().setUrn(root));
    },
    startDebugging: unimplemented,
    requirePulumiVersion: unimplemented,
  };
}
