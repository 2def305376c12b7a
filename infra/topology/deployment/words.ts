/** Words that several parts of a stack's configuration are written with. */
import { z } from "zod";
import { isNetwork } from "../files/writing.ts";

export const reference = () =>
  z
    .string()
    .regex(/^[a-z0-9]+(?:[._/:-][a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/)
    .describe(
      "An image as a container engine reads it: registry/name:tag@sha256:digest; the digest is a must in production",
    );
export const uid = (usual: number, whose: string) =>
  z
    .int()
    .min(1)
    .max(65_535)
    .default(usual)
    .describe(`User id the processes run as: one that the image knows (${whose})`);
export const versionText = (usual: string, of: string) =>
  z
    .string()
    .regex(/^\d{1,4}\.\d{1,4}(?:\.\d{1,4})?$/)
    .default(usual)
    .describe(`Version of ${of} in the image`);
export const network = () =>
  z
    .string()
    .refine(isNetwork, { error: "a network as 10.0.0.0/8 or fd00::/8" })
    .describe("A network, 10.0.0.0/8 or fd00::/8");
/** A rule of limits, as `read` reads it. */
export const limit = (read: (text: string) => object | undefined, form: string) =>
  z.string().refine((text) => read(text) !== undefined, { error: form });
export const port = () => z.int().min(1).max(65_535);
export const name = () =>
  z
    .string()
    .regex(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
    .describe("Lower-case letters, digits and dashes, at most 63");
export const host = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/)
    .describe("A host name");
export const rotation = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,40}$/)
    .default("1")
    .describe(
      "Another word makes another value at the next update; of one that is given: whoever has read the old one starts again",
    );

/** One or more, PEM. */
export const certificates = () =>
  z.string().regex(/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n\s-]+-----END CERTIFICATE-----\s*$/);

export const authority = () =>
  certificates()
    .optional()
    .describe("Certificates, PEM, that sign the server's, where it is none of the well-known authorities");
