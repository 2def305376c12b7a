/** What the gateway speaks to those in front of it, and writes down of them. */
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
    records: z
      .strictObject({
        audit: z
          .enum(["none", "changes", "calls"])
          .optional()
          .describe(
            "Who changed what, and with `calls` who called what: rows with addresses, in PostgreSQL. Left out: `changes` where sizing.security.auditTrail is true, as in production, else `none`",
          ),
        security: z.boolean().default(false).describe("Refused tokens, forbidden tries, lockouts: rows in PostgreSQL"),
        accessLog: z.boolean().default(false).describe("A line of the log for each request"),
      })
      .prefault({})
      .describe("What is written down of callers"),
  })
  .prefault({})
  .describe("What the gateway speaks, and writes down");
