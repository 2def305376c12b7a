export * from "./admission.ts";
