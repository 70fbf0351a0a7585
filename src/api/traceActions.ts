/** The effects of a pass as one line in the manner of a datapath's actions; ports by their OpenFlow numbers. */
import { readField } from '../fields/access.js';
import { FIELDS, type Field } from '../fields/fieldTable.js';
import { formatFieldValue } from '../fields/fieldText.js';
import { K } from '../fields/key.js';
import { formatNat } from '../openflow/ctText.js';
import type { CtEffect, Edit, EditOp, Effect, NormalEffect } from '../pipeline/effects.js';

/** Ports that a NORMAL put its packet out to. */
export type NormalPorts = (effect: NormalEffect) => readonly number[];

/** `key`: of the packet as it entered the pass. `drop` where nothing is done. */
export function actionsText(effects: readonly Effect[], key: Int32Array, normalPorts: NormalPorts): string {
  const parts = new ActionList(key, normalPorts).listOf(effects, 0);
  return parts.length === 0 ? 'drop' : parts.join(',');
}

class ActionList {
  private readonly key: Int32Array;
  private readonly normalPorts: NormalPorts;

  constructor(key: Int32Array, normalPorts: NormalPorts) {
    this.key = key;
    this.normalPorts = normalPorts;
  }

  /** `edited`: edits that are done already. */
  listOf(effects: readonly Effect[], edited: number): string[] {
    const parts: string[] = [];
    let done = edited;
    for (const effect of effects) {
      const texts = this.textsOf(effect);
      if (texts.length === 0) continue;
      parts.push(...this.editTexts(effect.edit, done), ...texts);
      done = Math.max(done, effect.edit?.length ?? 0);
    }
    return parts;
  }

  private textsOf(effect: Effect): string[] {
    switch (effect.kind) {
      case 'output':
        return [effect.maxLen === null ? `${effect.port}` : `trunc(${effect.maxLen}),${effect.port}`];
      case 'patch':
        return [`${effect.port}`];
      case 'normal':
        return this.normalPorts(effect).map(String);
      case 'controller':
        return [`controller(reason=${effect.reason})`];
      case 'ct':
        return [ctText(effect), ...(effect.table === null ? [] : [`recirc(table=${effect.table})`])];
      case 'ctClear':
        return ['ct_clear'];
      case 'clone':
        return [`clone(${this.listOf(effect.effects, effect.edit?.length ?? 0).join(',')})`];
      case 'length': {
        const inner = (list: readonly Effect[]) => this.listOf(list, effect.edit?.length ?? 0).join(',') || 'drop';
        return [`check_pkt_len(size=${effect.bytes},gt(${inner(effect.larger)}),le(${inner(effect.notLarger)}))`];
      }
      case 'recirc':
        return ['recirc'];
      case 'learn':
      case 'finTimeout':
        return [];
    }
  }

  private editTexts(edit: Edit, from: number): string[] {
    const texts: string[] = [];
    for (const op of (edit ?? []).slice(from)) {
      const text = this.editText(op);
      // The words of one field come one after the other.
      if (text.field !== null && texts.at(-1)?.startsWith(`set(${text.field}=`)) texts.pop();
      texts.push(text.text);
    }
    return texts;
  }

  private editText(op: EditOp): { text: string; field: string | null } {
    switch (op.op) {
      case 'popVlan':
        return { text: 'pop_vlan', field: null };
      case 'pushVlan':
        return { text: `push_vlan(vid=${op.tci & 0xfff},pcp=${(op.tci >> 13) & 7})`, field: null };
      case 'pushMpls':
        return { text: `push_mpls(label=${op.lse >>> 12},tc=${(op.lse >> 9) & 7},ttl=${op.lse & 0xff})`, field: null };
      case 'popMpls':
        return { text: `pop_mpls(eth_type=0x${op.ethertype.toString(16)})`, field: null };
      case 'setMpls':
        return { text: `set(mpls(label=${op.lse >>> 12},tc=${(op.lse >> 9) & 7},ttl=${op.lse & 0xff}))`, field: null };
      case 'set':
      case 'setAddress':
      case 'setInner': {
        const field = fieldOfWord(op.word);
        if (field === undefined) return { text: 'set(?)', field: null };
        const scratch = this.scratch;
        if (!scratch.fields.has(field.name)) for (const word of field.words) scratch.key[word] = this.key[word]!;
        scratch.fields.add(field.name);
        scratch.key[op.word] = op.value;
        const value = formatFieldValue(field, readField(scratch.key, field), field.valueMask, null);
        return { text: `set(${field.name}=${value})`, field: field.name };
      }
    }
  }

  private readonly scratch = { key: new Int32Array(K.PACKET_END), fields: new Set<string>() };
}

/** The field that fills a word of the packet, by its first name in OVS's order. */
function fieldOfWord(word: number): Field | undefined {
  return FIELDS.find(({ words, shift }) => words.includes(word) && shift === 0);
}

function ctText({ commit, force, zone, mark, label, nat, alg }: CtEffect): string {
  const parts: string[] = [];
  if (commit) parts.push(force ? 'force_commit' : 'commit');
  if (zone !== 0) parts.push(`zone=${zone}`);
  if (mark !== null) parts.push(`mark=0x${(mark.value >>> 0).toString(16)}/0x${(mark.mask >>> 0).toString(16)}`);
  if (label !== null) parts.push(`label=0x${wide(label.value)}/0x${wide(label.mask)}`);
  if (alg !== 0) parts.push(`helper=${alg === 21 ? 'ftp' : alg === 69 ? 'tftp' : alg}`);
  if (nat !== null) parts.push(formatNat(nat));
  return parts.length === 0 ? 'ct' : `ct(${parts.join(',')})`;
}

const wide = (words: Int32Array): string =>
  [...words].reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n).toString(16);
