"""BibTeX of the papers that the makers of published models ask to be cited, or in which they describe them.

Pages and DOIs are left out where they could not be verified.
"""

import re

_BIBTEX = r"""
@inproceedings{peters2018,
  author = {Peters, Matthew E. and Neumann, Mark and Iyyer, Mohit and Gardner, Matt and Clark, Christopher and Lee, Kenton and Zettlemoyer, Luke},
  title = {Deep Contextualized Word Representations},
  booktitle = {Proceedings of the 2018 Conference of the North {A}merican Chapter of the Association for Computational Linguistics: Human Language Technologies, Volume 1 (Long Papers)},
  year = {2018},
  pages = {2227--2237},
  doi = {10.18653/v1/N18-1202},
  url = {https://aclanthology.org/N18-1202/},
}

@inproceedings{gardner2018,
  author = {Gardner, Matt and Grus, Joel and Neumann, Mark and Tafjord, Oyvind and Dasigi, Pradeep and Liu, Nelson F. and Peters, Matthew and Schmitz, Michael and Zettlemoyer, Luke},
  title = {{AllenNLP}: A Deep Semantic Natural Language Processing Platform},
  booktitle = {Proceedings of Workshop for {NLP} Open Source Software ({NLP}-{OSS})},
  year = {2018},
  url = {https://aclanthology.org/W18-2501/},
}

@misc{reimers2019,
  author = {Reimers, Nils and Gurevych, Iryna},
  title = {Alternative Weighting Schemes for {ELMo} Embeddings},
  year = {2019},
  eprint = {1904.02954},
  archiveprefix = {arXiv},
  url = {https://arxiv.org/abs/1904.02954},
}

@article{heinzinger2019,
  author = {Heinzinger, Michael and Elnaggar, Ahmed and Wang, Yu and Dallago, Christian and Nechaev, Dmitrii and Matthes, Florian and Rost, Burkhard},
  title = {Modeling aspects of the language of life through transfer-learning protein sequences},
  journal = {BMC Bioinformatics},
  year = {2019},
  volume = {20},
  number = {1},
  pages = {723},
  doi = {10.1186/s12859-019-3220-8},
  url = {https://doi.org/10.1186/s12859-019-3220-8},
}

@article{zhang2023,
  author = {Zhang, Pengfei and Bang, Seojin and Cai, Michael and Lee, Heewook},
  title = {Context-Aware Amino Acid Embedding Advances Analysis of {TCR}-Epitope Interactions},
  journal = {eLife},
  year = {2023},
  volume = {12},
  pages = {RP88837},
  doi = {10.7554/eLife.88837.1},
  url = {https://doi.org/10.7554/eLife.88837.1},
}

@inproceedings{jin2019,
  author = {Jin, Qiao and Dhingra, Bhuwan and Cohen, William W. and Lu, Xinghua},
  title = {Probing Biomedical Embeddings from Language Models},
  booktitle = {Proceedings of the 3rd Workshop on Evaluating Vector Space Representations for {NLP}},
  year = {2019},
  pages = {82--89},
  url = {https://arxiv.org/abs/1904.02181},
}

@misc{zhu2018,
  author = {Zhu, Henghui and Paschalidis, Ioannis Ch. and Tahmasebi, Amir},
  title = {Clinical Concept Extraction with Contextual Word Embedding},
  year = {2018},
  eprint = {1810.10566},
  archiveprefix = {arXiv},
  url = {https://arxiv.org/abs/1810.10566},
}

@inproceedings{zhai2019,
  author = {Zhai, Zenan and Nguyen, Dat Quoc and Akhondi, Saber A. and Thorne, Camilo and Druckenbrodt, Christian and Cohn, Trevor and Gregory, Michelle and Verspoor, Karin},
  title = {Improving Chemical Named Entity Recognition in Patents with Contextualized Word Embeddings},
  booktitle = {Proceedings of the 18th {BioNLP} Workshop and Shared Task},
  year = {2019},
  pages = {328--338},
  url = {https://aclanthology.org/W19-5035/},
}

@inproceedings{tabassum2020,
  author = {Tabassum, Jeniya and Maddela, Mounica and Xu, Wei and Ritter, Alan},
  title = {Code and Named Entity Recognition in {StackOverflow}},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020},
  url = {https://aclanthology.org/2020.acl-main.443/},
}

@inproceedings{che2018,
  author = {Che, Wanxiang and Liu, Yijia and Wang, Yuxuan and Zheng, Bo and Liu, Ting},
  title = {Towards Better {UD} Parsing: Deep Contextualized Word Embeddings, Ensemble, and Treebank Concatenation},
  booktitle = {Proceedings of the {CoNLL} 2018 Shared Task: Multilingual Parsing from Raw Text to Universal Dependencies},
  year = {2018},
  pages = {55--64},
  url = {https://aclanthology.org/K18-2005/},
}

@inproceedings{fares2017,
  author = {Fares, Murhaf and Kutuzov, Andrey and Oepen, Stephan and Velldal, Erik},
  title = {Word vectors, reuse, and replicability: Towards a community repository of large-text resources},
  booktitle = {Proceedings of the 21st Nordic Conference on Computational Linguistics},
  year = {2017},
  pages = {271--276},
}

@inproceedings{kutuzov2017,
  author = {Kutuzov, Andrey and Kuzmenko, Elizaveta},
  title = {{WebVectors}: A Toolkit for Building Web Interfaces for Vector Semantic Models},
  booktitle = {Analysis of Images, Social Networks and Texts ({AIST} 2016)},
  series = {Communications in Computer and Information Science},
  volume = {661},
  year = {2017},
  pages = {155--161},
  doi = {10.1007/978-3-319-52920-2_15},
  url = {https://doi.org/10.1007/978-3-319-52920-2_15},
}

@inproceedings{kutuzov2020,
  author = {Kutuzov, Andrey and Giulianelli, Mario},
  title = {{UiO}-{UvA} at {SemEval}-2020 Task 1: Contextualised Embeddings for Lexical Semantic Change Detection},
  booktitle = {Proceedings of the Fourteenth Workshop on Semantic Evaluation},
  year = {2020},
  pages = {126--134},
  url = {https://arxiv.org/abs/2005.00050},
}

@inproceedings{kutuzov2021,
  author = {Kutuzov, Andrey and Barnes, Jeremy and Velldal, Erik and {\O}vrelid, Lilja and Oepen, Stephan},
  title = {Large-Scale Contextualised Language Modelling for {N}orwegian},
  booktitle = {Proceedings of the 23rd Nordic Conference on Computational Linguistics ({NoDaLiDa} 2021)},
  year = {2021},
  url = {https://aclanthology.org/2021.nodalida-main.4/},
}

@incollection{rodrigues2020,
  author = {Rodrigues, Ruan Chaves and da Silva, J{\'e}ssica Rodrigues and de Castro, Pedro Vitor Quinta and da Silva, N{\'a}dia F{\'e}lix Felipe and Soares, Anderson da Silva},
  title = {{P}ortuguese Language Models and Word Embeddings: Evaluating on Semantic Similarity Tasks},
  booktitle = {Computational Processing of the Portuguese Language ({PROPOR} 2020)},
  publisher = {Springer},
  year = {2020},
  url = {https://doi.org/10.1007/978-3-030-41505-1},
}

@inproceedings{bataa2019,
  author = {Bataa, Enkhbold and Wu, Joshua},
  title = {An Investigation of Transfer Learning-Based Sentiment Analysis in {J}apanese},
  booktitle = {Proceedings of the 57th Annual Meeting of the Association for Computational Linguistics},
  year = {2019},
  pages = {4652--4657},
  url = {https://arxiv.org/abs/1905.09642},
}

@misc{dadas2019,
  author = {Dadas, S{\l}awomir},
  title = {A repository of {P}olish {NLP} resources},
  howpublished = {GitHub},
  year = {2019},
  url = {https://github.com/sdadas/polish-nlp-resources/},
}

@inproceedings{ulcar2020,
  author = {Ul{\v{c}}ar, Matej and Robnik-{\v{S}}ikonja, Marko},
  title = {High Quality {ELMo} Embeddings for Seven Less-Resourced Languages},
  booktitle = {Proceedings of the 12th Language Resources and Evaluation Conference},
  year = {2020},
  url = {https://arxiv.org/abs/1911.10049},
}

@inproceedings{ortizsuarez2020,
  author = {Ortiz Su{\'a}rez, Pedro Javier and Romary, Laurent and Sagot, Beno{\^i}t},
  title = {A Monolingual Approach to Contextualized Word Embeddings for Mid-Resource Languages},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020},
  pages = {1703--1714},
  url = {https://aclanthology.org/2020.acl-main.156/},
}

@inproceedings{ortizsuarez2020french,
  author = {Ortiz Su{\'a}rez, Pedro Javier and Dupont, Yoann and Muller, Benjamin and Romary, Laurent and Sagot, Beno{\^i}t},
  title = {Establishing a New State-of-the-Art for {F}rench Named Entity Recognition},
  booktitle = {Proceedings of the 12th Language Resources and Evaluation Conference},
  year = {2020},
  url = {https://hal.inria.fr/hal-02617950},
}

@inproceedings{burtsev2018,
  author = {Burtsev, Mikhail and Seliverstov, Alexander and Airapetyan, Rafael and Arkhipov, Mikhail and Baymurzina, Dilyara and Bushkov, Nickolay and Gureenkova, Olga and Khakhulin, Taras and Kuratov, Yuri and Kuznetsov, Denis and Litinsky, Alexey and Logacheva, Varvara and Lymar, Alexey and Malykh, Valentin and Petrov, Maxim and Polulyakh, Vadim and Pugachev, Leonid and Sorokin, Alexey and Vikhreva, Maria and Zaynutdinov, Marat},
  title = {{DeepPavlov}: Open-Source Library for Dialogue Systems},
  booktitle = {Proceedings of {ACL} 2018, System Demonstrations},
  year = {2018},
  url = {https://aclanthology.org/P18-4021/},
}
"""  # noqa: E501

CITATIONS: dict[str, str] = {
    match[1]: match[0] for match in re.finditer(r"^@\w+\{(\w+),\n.*?^\}", _BIBTEX, re.MULTILINE | re.DOTALL)
}


def to_bibtex(keys: tuple[str, ...]) -> str:
    """Get the BibTeX of papers.

    keys (tuple[str, ...]): Their keys.
    RETURNS (str): Their entries, with a blank line between them; "" for none.
    """
    return "\n\n".join(CITATIONS[key] for key in keys)
