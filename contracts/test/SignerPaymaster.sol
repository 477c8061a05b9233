// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PaymasterSigner} from "@openzeppelin/contracts/account/paymaster/extensions/PaymasterSigner.sol";
import {ERC4337Utils} from "@openzeppelin/contracts/account/utils/ERC4337Utils.sol";
import {IEntryPoint} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignerECDSA} from "@openzeppelin/contracts/utils/cryptography/signers/SignerECDSA.sol";

/// @title A paymaster for tests: pays for whatever its signer has signed.
/// @dev For tests only, on chains that are forgotten: nobody can take its deposit back, and nothing limits what its
/// signer may spend. OpenZeppelin's bases are made for a later EntryPoint than the one that our accounts use.
contract SignerPaymaster is PaymasterSigner, SignerECDSA {
    constructor(address signer) EIP712("SignerPaymaster", "1") SignerECDSA(signer) {}

    function entryPoint() public pure override returns (IEntryPoint) {
        return ERC4337Utils.ENTRYPOINT_V08;
    }
}
