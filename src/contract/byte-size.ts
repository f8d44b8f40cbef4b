/** How sizes of files, downloads and memory are written for people. Used by the command line, the hub and the installation of engines. */

/** In the units of disks: 1 GB is 10⁹ bytes. Kilobytes are rounded up, so that only nothing is 0. */
export function size(bytes: number): string {
  const kilobytes = Math.ceil(bytes / 1e3);
  if (kilobytes < 1000) return `${kilobytes} kB`;
  const megabytes = Math.round(bytes / 1e6);
  return megabytes < 1000 ? `${megabytes} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
