/**
 * What two files of Linux's /proc say of a process. Read by telemetry/, models/ and deploy/, each with a reader of its own, since each needs
 * another answer where there is none. Pure. Source: proc_pid_status(5), proc_pid_stat(5).
 */

/** USER_HZ, which Linux has as 100 on every architecture that Node runs on. */
const TICKS_A_SECOND = 100;

/** Of /proc/PID/status: bytes in memory, mapped files counted. Undefined: it does not say, or is none. */
export function residentBytesIn(status: string | undefined): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(status ?? "")?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Of /proc/PID/stat: the fields from `state`, the third, on. The second is a name in parentheses, which may hold anything. */
export function statFieldsIn(stat: string | undefined): readonly string[] | undefined {
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Of the same: seconds of processor time of all threads (fields 14 and 15). Undefined: it is none. */
export function cpuSecondsIn(stat: string | undefined): number | undefined {
  const fields = statFieldsIn(stat) ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks / TICKS_A_SECOND : undefined;
}
