"""What of Numba's private parts is used, by module and name, and the versions that they were tried with. No code.

Numba promises nothing of these from one minor version to the next. A new version is tried by running the tests with it:
one of them holds this list against the imports, another looks for every name. Then it goes into `TRIED`, and the bound
in pyproject.toml goes up.
"""

TRIED = ("0.61", "0.62", "0.63", "0.64", "0.65", "0.66", "0.67", "0.68")  # minor versions of Numba

IMPORTED = {
    "llvmlite": ("__version__",),
    "llvmlite.binding": (
        *("Target", "create_pass_builder", "create_pipeline_tuning_options", "get_host_cpu_name", "parse_assembly"),
    ),
    "llvmlite.ir": (
        *("ArrayType", "Constant", "DoubleType", "Function", "FunctionType", "IRBuilder", "IntType"),
        *("LiteralStructType", "MDValue", "Module", "PointerType"),
        *("Type", "Undefined", "VectorType"),
    ),
    "numba.cloudpickle": (
        *("dumps", "list_registry_pickle_by_value", "register_pickle_by_value", "unregister_pickle_by_value"),
    ),
    "numba.core.analysis": ("compute_cfg_from_blocks", "compute_use_defs"),
    "numba.core.callconv": ("CPUCallConv", "RETCODE_OK", "Status"),
    "numba.core.caching": (
        *("Cache", "CompileResultCacheImpl", "FunctionCache", "IndexDataCacheFile", "_CacheLocator"),
    ),
    "numba.core.ccallback": ("CFunc",),
    "numba.core.cgutils": (
        *("alloca_once", "create_struct_proxy", "false_bit", "get_null_value", "pack_array", "raw_memcpy", "true_bit"),
        "unpack_tuple",
    ),
    "numba.core.codegen": ("JITCodeLibrary",),
    "numba.core.compiler": ("Compiler", "DefaultPassBuilder", "Flags"),
    "numba.core.compiler_machinery": ("FunctionPass", "register_pass"),
    "numba.core.cpu": ("CPUContext",),
    "numba.core.config": ("CPU_FEATURES", "_env_reloader", "reload_config"),
    "numba.core.dispatcher": ("Dispatcher",),
    "numba.core.errors": ("ConstantInferenceError", "NumbaError", "NumbaWarning", "TypingError"),
    "numba.core.imputils": ("impl_ret_borrowed",),
    "numba.core.ir": ("Arg", "Assign", "Branch", "Const", "Expr", "Global", "SetItem", "StaticSetItem", "Var"),
    "numba.core.ir_utils": ("build_definitions", "get_definition", "guard"),
    "numba.core.lowering": ("Lower",),
    "numba.core.registry": ("CPUDispatcher", "cpu_target"),
    "numba.core.runtime.nrtopt": ("remove_redundant_nrt_refct",),
    "numba.core.sigutils": ("normalize_signature",),
    "numba.core.typed_passes": ("NativeLowering", "NopythonTypeInference"),
    "numba.core.typeconv": ("Conversion",),
    "numba.core.typing.context": ("Context",),
    "numba.core.typing.templates": (
        *("AbstractTemplate", "AttributeTemplate", "builtin_registry", "infer_getattr", "infer_global", "signature"),
    ),
    "numba.core.unsafe.eh": ("mark_try_block",),
    "numba.core.untyped_passes": ("MakeFunctionToJitFunction", "ReconstructSSA"),
    "numba.cpython.builtins": ("do_minmax",),
    "numba.np.numpy_support": ("as_dtype",),
    "numba.np.ufunc.dufunc": ("DUFunc",),
}

# What is called, replaced or set on instances of its classes.
ATTRIBUTES = {
    "numba.core.caching.CompileResultCacheImpl": ("check_cachable", "filename_base", "get_filename_base", "locator"),
    "numba.core.caching.FunctionCache": ("_index_key", "load_overload", "save_overload"),
    "numba.core.ccallback.CFunc": ("_compile_uncached", "address", "compile"),
    "numba.core.callconv.CPUCallConv": (
        *("_get_arg_packer", "_return_errcode_raw", "call_function", "return_status_propagate", "return_user_exc"),
    ),
    "numba.core.codegen.JITCodeLibrary": (
        *("_get_module_for_linking", "_optimize_final_module", "_optimize_functions", "add_linking_library"),
        *("add_llvm_module", "finalize", "get_asm_str", "get_pointer_to_function", "has_dynamic_globals"),
    ),
    "numba.core.cpu.CPUContext": (
        *("active_code_library", "call_conv", "call_internal_no_propagate", "cast", "compile_internal"),
        *("create_cfunc_wrapper", "create_module", "declare_function", "get_constant_generic", "get_function"),
        *("get_getattr", "get_returned_value", "pair_first", "pair_second", "post_lowering", "refresh"),
    ),
    "numba.core.compiler.Compiler": ("define_pipelines",),
    "numba.core.compiler.Flags": ("copy",),
    "numba.core.compiler.DefaultPassBuilder": ("define_nopython_pipeline",),
    "numba.core.compiler_machinery.PassManager": ("add_pass_after", "finalize"),
    "numba.core.config._env_reloader": ("old_environ",),
    "numba.core.dispatcher.Dispatcher": ("compile", "disable_compile", "get_call_template", "nopython_signatures"),
    "numba.core.typing.templates._OverloadFunctionTemplate": ("get_impl_key",),
    "numba.np.ufunc.dufunc.DUFunc": ("add", "disable_compile", "identity", "targetoptions"),
    "numba.core.typing.context.BaseContext": ("_lookup_global", "resolve_function_type", "resolve_setitem"),
    "numba.core.ir.Scope": ("define",),
    "numba.core.lowering.Lower": (
        *(
            "_find_singly_assigned_variable",
            "_lower_call_normal",
            "loadvar",
            "lower_assign",
            "lower_binop",
            "lower_expr",
        ),
        *("lower_getitem", "lower_inst", "lower_normal_function", "lower_setitem", "typeof"),
    ),
    "numba.core.typed_passes.NativeLowering": ("lowering_class",),
    "numba.core.types.Dispatcher": ("dispatcher", "get_call_type"),
    "numba.core.types.Function": ("get_impl_key",),
}
