/** What the gateway speaks to those in front of it. */
import { z } from "zod";
import { certificates, host } from "./words.ts";

export const gateway = z
  .strictObject({
    tls: z
      .strictObject({
        certificate: certificates().describe("PEM, the gateway's first; its private key is a secret of the stack"),
        authority: certificates().describe("PEM, whoever signs it: nginx and the probes believe nobody else"),
        name: host().default("gateway").describe("The name in the certificate by which the gateway is checked"),
      })
      .optional()
      .describe(
        "Encrypts what passes between nginx and the gateway; without it that is plain, inside the deployment's network",
      ),
    compression: z
      .enum(["nginx", "gateway"])
      .default("nginx")
      .describe("Which layer compresses answers; the other one does not"),
  })
  .prefault({})
  .describe("What the gateway speaks");
