/** How much room there is for somebody, and what of it is taken: counted on the disk at each upload, and what arrives here meanwhile. Owned by store.ts. */
import { ShimmyError } from "../contract/errors.ts";

/** In bytes and number of files. `whose`: words for whom the limit is. */
export interface Room {
  readonly bytes: number;
  readonly files: number;
  readonly whose: string;
}

export class Account {
  readonly #room: Room;
  /** As the disk had it at the last look, and what was kept here since. */
  #kept = 0;
  /** Of all that was kept here since the start. */
  #keptEver = 0;
  /** Not kept yet: whole ones too, whose form is still being read. */
  #arriving = 0;
  #uploads = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /**
   * One more upload. Whoever begins must `leave`.
   * @param look at the sizes of what is kept, without what was arriving here when it began: that is counted already. @throws files_full
   */
  async begin(look: () => Promise<readonly number[]>): Promise<void> {
    const before = this.#keptEver;
    const sizes = await look();
    const { files, whose } = this.#room;
    if (sizes.length + this.#uploads >= files) throw new ShimmyError("files_full", { limit: `${files} files${whose}` });
    this.#kept = sizes.reduce((sum, size) => sum + size, 0) + this.#keptEver - before;
    this.#uploads++;
  }

  /** Counts them in any case. @returns files_full when they are too many */
  arrive(bytes: number): ShimmyError | undefined {
    this.#arriving += bytes;
    const { bytes: most, whose } = this.#room;
    return this.#kept + this.#arriving > most ? new ShimmyError("files_full", { limit: `${most} bytes${whose}` }) : undefined;
  }

  /** An upload is over. @param arrived all its bytes @param kept those of them that stay */
  leave(arrived: number, kept: number): void {
    this.#uploads--;
    this.#arriving -= arrived;
    this.#kept += kept;
    this.#keptEver += kept;
  }
}
