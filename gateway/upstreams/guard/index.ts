/** The guard of outbound addresses, for this room and for others that connect to what users have set. */
export {
  type AddressGuard,
  AddressRefused,
  createAddressGuard,
  type GuardPolicy,
  type Resolve,
  type Trust,
} from "./guard.ts";
