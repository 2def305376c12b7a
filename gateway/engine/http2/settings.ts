/** What a peer asks for in SETTINGS (RFC 9113 §6.5), as far as it means something for a server. */
import { ERROR, SETTING, SETTING_BYTES } from "./frames.ts";
import { MAX_SETTINGS } from "./limits.ts";

export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;

/** The initial window of streams, when the frame, of whole settings, has one; or the error that the frame is. */
export function readSettings(
  bytes: Buffer,
  from: number,
  to: number,
): { readonly window: number | undefined } | { readonly error: number } {
  if ((to - from) / SETTING_BYTES > MAX_SETTINGS) return { error: ERROR.enhanceYourCalm };
  let window: number | undefined;
  for (let at = from; at < to; at += SETTING_BYTES) {
    const value = bytes.readUInt32BE(at + 2);
    switch (bytes.readUInt16BE(at)) {
      case SETTING.enablePush:
        if (value > 1) return { error: ERROR.protocol };
        break;
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW) return { error: ERROR.flowControl };
        window = value;
        break;
      case SETTING.maxFrameSize:
        // Larger frames than every peer takes are never sent.
        if (value < 16_384 || value > 16_777_215) return { error: ERROR.protocol };
        break;
      default:
    }
  }
  return { window };
}
