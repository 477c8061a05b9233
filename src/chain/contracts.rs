//! The contracts that the engine speaks to: ERC-20 and the parts of ERC-4337's v0.8 that it needs.

use alloy::sol;

sol! {
    /// ERC-20.
    interface IERC20 {
        event Transfer(address indexed from, address indexed to, uint256 value);

        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
    }

    /// ERC-4337 §EntryPoint, the packed form of v0.7 and later.
    #[derive(Debug)]
    struct PackedUserOperation {
        address sender;
        uint256 nonce;
        bytes initCode;
        bytes callData;
        bytes32 accountGasLimits;
        uint256 preVerificationGas;
        bytes32 gasFees;
        bytes paymasterAndData;
        bytes signature;
    }

    /// ERC-4337 §EntryPoint.
    interface IEntryPoint {
        event UserOperationEvent(
            bytes32 indexed userOpHash,
            address indexed sender,
            address indexed paymaster,
            uint256 nonce,
            bool success,
            uint256 actualGasCost,
            uint256 actualGasUsed
        );
        event UserOperationRevertReason(
            bytes32 indexed userOpHash, address indexed sender, uint256 nonce, bytes revertReason
        );
        event PostOpRevertReason(
            bytes32 indexed userOpHash, address indexed sender, uint256 nonce, bytes revertReason
        );
        event UserOperationPrefundTooLow(bytes32 indexed userOpHash, address indexed sender, uint256 nonce);
        event BeforeExecution();

        error FailedOp(uint256 opIndex, string reason);
        error FailedOpWithRevert(uint256 opIndex, string reason, bytes inner);

        function handleOps(PackedUserOperation[] calldata ops, address payable beneficiary) external;
        function getNonce(address sender, uint192 key) external view returns (uint256 nonce);
        function balanceOf(address account) external view returns (uint256);
        function depositTo(address account) external payable;
    }

    /// SimpleAccountFactory of v0.8.
    interface ISimpleAccountFactory {
        function createAccount(address owner, uint256 salt) external returns (address);
    }

    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    /// What SimpleAccount and Simple7702Account of v0.8 have in common.
    interface IBatchAccount {
        error ExecuteError(uint256 index, bytes error);

        function executeBatch(Call[] calldata calls) external;
        function initialize(address owner) external;
    }
}

/// The struct that a user operation's hash is made of: the same fields without the signature (EIP-712).
pub mod typed {
    alloy::sol! {
        struct PackedUserOperation {
            address sender;
            uint256 nonce;
            bytes initCode;
            bytes callData;
            bytes32 accountGasLimits;
            uint256 preVerificationGas;
            bytes32 gasFees;
            bytes paymasterAndData;
        }
    }
}
