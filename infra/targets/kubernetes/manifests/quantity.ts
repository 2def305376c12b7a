/** Numbers as Kubernetes writes them, in the form that an API server gives back: otherwise every comparison would find a difference. */

/** Cores, to the thousandth: 2 → `2`, 0.25 → `250m`. Kubernetes documentation, resource units. */
export function cpu(cores: number): string {
  const millis = Math.ceil(cores * 1000 - 1e-6);
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

/** MiB, rounded up to whole ones: 512 → `512Mi`, 2048 → `2Gi`. */
export function mebibytes(mebi: number): string {
  const whole = Math.ceil(mebi - 1e-6);
  return whole % 1024 === 0 && whole > 0 ? `${whole / 1024}Gi` : `${whole}Mi`;
}

/** GiB; a part of one in MiB. */
export function gibibytes(gibi: number): string {
  return mebibytes(gibi * 1024);
}

/** Whole seconds, rounded up: the API has no others. */
export function seconds(value: number): number {
  return Math.ceil(value - 1e-9);
}

/** A share as `25%`, never more than it is: Kubernetes rounds the pods that it makes of it up, as the plan did. */
export function percent(share: number): string {
  return `${Math.floor(share * 100 + 1e-6)}%`;
}
