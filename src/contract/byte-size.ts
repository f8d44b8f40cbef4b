/** How sizes of files, downloads and memory are written for people. Used by the command line, the hub and the installation of engines. */

/** In the units of disks: 1 GB is 10⁹ bytes. What is less than a megabyte is rounded up, so that only nothing is 0. */
export function size(bytes: number): string {
  const megabytes = Math.round(bytes / 1e6);
  if (megabytes >= 1000) return `${(bytes / 1e9).toFixed(1)} GB`;
  return megabytes >= 1 ? `${megabytes} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}
