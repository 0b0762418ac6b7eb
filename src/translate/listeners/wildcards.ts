import type { Traits } from '../../model/traits.ts';

const perFamily = (v4: string, v6: string) => {
  const both = Object.freeze([v4, v6]);
  const four = Object.freeze([v4]);
  const six = Object.freeze([v6]);
  return (traits: Traits): readonly string[] => (traits.ipv4 && traits.ipv6 ? both : traits.ipv4 ? four : six);
};

/** Every address of the families that a proxy has, IPv4 first. */
export const wildcards = perFamily('0.0.0.0', '::');
/** Loopback of the families that a proxy has, IPv4 first. */
export const loopbacks = perFamily('127.0.0.1', '::1');
